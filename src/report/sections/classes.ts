import type { ClassMetrics, Evaluation } from "../../metrics/index.js";
import { count, missing, percent } from "../format.js";
import { type Content, given, html } from "../html.js";
import type { Section } from "../page.js";
import { shareBar, table } from "../parts.js";

/** Above it, bars would make up most of the file. */
const mostBars = 150;

/** Precision, recall and F1 of every class. */
export function classesSection(evaluation: Evaluation, classes: readonly string[], split: string): Section {
  const { perClass, macro, weighted } = evaluation;
  const rows = perClass.map((metrics, index) => ({ name: classes[index]!, ...metrics }));
  const bars = rows.length <= mostBars;
  const share = (
    title: string,
    of: (metrics: ClassMetrics) => number,
    defined: (metrics: ClassMetrics) => boolean,
  ) => ({
    title,
    value: of,
    cell: (metrics: ClassMetrics): Content =>
      defined(metrics) ? (bars ? shareBar(of(metrics)) : percent(of(metrics))) : missing,
  });
  return {
    id: "classes",
    title: "Classes",
    lead: html`On the ${split} split. Mean over classes: precision ${percent(macro.precision)}, recall ${percent(macro.recall)}, F1 ${percent(macro.f1)}; weighted by examples: F1 ${percent(weighted.f1)}.`,
    content: html`<div class="card">${table(
      "Precision, recall and F1 of each class",
      [
        { title: "class", cell: ({ name }) => given(name), heading: true },
        share(
          "precision",
          ({ precision }) => precision,
          ({ predicted }) => predicted > 0,
        ),
        share(
          "recall",
          ({ recall }) => recall,
          ({ support }) => support > 0,
        ),
        share(
          "F1",
          ({ f1 }) => f1,
          ({ support, predicted }) => support + predicted > 0,
        ),
        { title: "examples", value: ({ support }) => support, cell: ({ support }) => count(support) },
        { title: "predicted", value: ({ predicted }) => predicted, cell: ({ predicted }) => count(predicted) },
      ],
      rows,
      { sortable: true },
    )}</div>`,
  };
}
