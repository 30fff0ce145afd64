import { type Confusion, denseConfusion, type Evaluation } from "../../metrics/index.js";
import { confusionHeatmap, mostHeatmapClasses } from "../charts/heatmap.js";
import { count, counted } from "../format.js";
import { given, type Html, html } from "../html.js";
import type { Section } from "../page.js";
import { figure, shareBar, table } from "../parts.js";

/** Confusions that are listed, most frequent first. */
const listedConfusions = 30;
/** Classes that a phone's heat map has room for; with more, the wide one scrolls. */
const mostNarrowClasses = 14;
/** Classes that half of the page has room for. */
const mostHalfClasses = 12;
/** px inside a figure of the whole width, of half of it, and of a phone. */
const wideWidth = 760;
const halfWidth = 480;
const narrowWidth = 342;

/** Who was taken for whom: a heat map where classes are few enough to be told apart, and the most frequent confusions. */
export function confusionSection(evaluation: Evaluation, classes: readonly string[], split: string): Section {
  const { confusion, examples, correct } = evaluation;
  const wrong = examples - correct;
  return {
    id: "confusion",
    title: "Confusion",
    lead: `${count(wrong)} of ${counted(examples, `${split} example`)} ${wrong === 1 ? "was" : "were"} taken for another class.`,
    content: html`<div class="grid">
${classes.length <= mostHeatmapClasses ? heatmapFigure(confusion, classes) : ""}
${wrong > 0 ? confusionsFigure(confusion, classes) : ""}
</div>`,
  };
}

function heatmapFigure(confusion: Confusion, classes: readonly string[]): Html {
  const half = classes.length <= mostHalfClasses;
  const wide = confusionHeatmap("confusion-w", confusion, classes, half ? halfWidth : wideWidth);
  const chart =
    classes.length > mostNarrowClasses
      ? html`<div class="scroll" role="region" aria-label="Confusion matrix" tabindex="0"><div class="chart natural">${wide}</div></div>`
      : html`<div class="chart natural wide">${wide}</div><div class="chart natural narrow">${confusionHeatmap("confusion-n", confusion, classes, narrowWidth)}</div>`;
  return figure({
    title: "Confusion matrix",
    note: "Number of examples; the shade is the share of the true class, on a square-root scale",
    legend: [
      { text: "right", swatch: "accent", mark: "square" },
      { text: "mistakes", swatch: "mistake", mark: "square" },
    ],
    chart,
    table: denseTable(confusion, classes),
    broad: !half,
  });
}

function denseTable(confusion: Confusion, classes: readonly string[]): Html {
  const rows = denseConfusion(confusion).map((examples, truth) => ({ truth, examples }));
  return table(
    "Confusion matrix: a row for each true class, a column for each predicted class",
    [
      { title: "true \\ predicted", cell: ({ truth }) => given(classes[truth]!), heading: true },
      ...classes.map((name, predicted) => ({
        title: given(name),
        value: ({ examples }: (typeof rows)[number]) => examples[predicted]!,
        cell: ({ examples }: (typeof rows)[number]) => String(examples[predicted]),
      })),
    ],
    rows,
  );
}

function confusionsFigure(confusion: Confusion, classes: readonly string[]): Html {
  const support = new Float64Array(classes.length);
  for (const [truth, , examples] of confusion.cells) support[truth]! += examples;
  const mistaken = confusion.cells
    .filter(([truth, predicted]) => truth !== predicted)
    .map(([truth, predicted, examples]) => ({ truth, predicted, examples, share: examples / support[truth]! }))
    .sort((a, b) => b.examples - a.examples || b.share - a.share);
  const listed = mistaken.slice(0, classes.length <= mostHeatmapClasses ? 10 : listedConfusions);
  const rest = mistaken.length - listed.length;
  return figure({
    title: "Most frequent confusions",
    note:
      rest > 0 ? `${count(listed.length)} of ${count(mistaken.length)} pairs of classes that were confused` : undefined,
    broad: classes.length > mostHalfClasses,
    chart: table(
      "Most frequent confusions",
      [
        { title: "true class", cell: ({ truth }) => given(classes[truth]!), heading: true },
        { title: "taken for", cell: ({ predicted }) => given(classes[predicted]!) },
        { title: "examples", value: ({ examples }) => examples, cell: ({ examples }) => count(examples) },
        {
          title: "of the true class",
          value: ({ share }) => share,
          cell: ({ share }) => shareBar(share, "mistake"),
        },
      ],
      listed,
      { sortable: true },
    ),
  });
}
