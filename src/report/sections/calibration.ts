import type { Evaluation } from "../../metrics/index.js";
import { reliabilityDiagram } from "../charts/reliability.js";
import { count, percent, significant } from "../format.js";
import { html } from "../html.js";
import type { Section } from "../page.js";
import { figure, pairs, responsive, table } from "../parts.js";

/** Whether the probabilities can be believed. */
export function calibrationSection(evaluation: Evaluation, split: string): Section {
  const { calibration, brier, loss, examples } = evaluation;
  const meanConfidence = calibration.bins.reduce((sum, bin) => sum + bin.confidence * bin.examples, 0) / examples;
  const gap = evaluation.accuracy - meanConfidence;
  const verdict =
    Math.abs(gap) < 0.005
      ? "neither over- nor underconfident on the whole"
      : gap < 0
        ? "overconfident"
        : "underconfident";
  return {
    id: "calibration",
    title: "Calibration",
    lead: `How often a prediction of a given confidence is right, on the ${split} split. The model is ${verdict}: mean confidence ${percent(meanConfidence)}, accuracy ${percent(evaluation.accuracy)}.`,
    content: html`<div class="grid">
${figure({
  title: "Reliability",
  legend: [
    { text: "accuracy, with 95% interval", swatch: "accent", mark: "square" },
    { text: "share of examples", swatch: "muted", mark: "square" },
  ],
  chart: responsive("reliability", (id, size) => reliabilityDiagram(id, calibration, size), { height: 380 }),
  table: table(
    "Bins of the reliability diagram",
    [
      {
        title: "confidence",
        cell: ({ lower, upper }) => `${percent(lower, 0)} to ${percent(upper, 0)}`,
        heading: true,
      },
      { title: "examples", value: ({ examples }) => examples, cell: ({ examples }) => count(examples) },
      {
        title: "mean confidence",
        value: ({ confidence }) => confidence,
        cell: ({ confidence }) => percent(confidence),
      },
      { title: "accuracy", value: ({ accuracy }) => accuracy, cell: ({ accuracy }) => percent(accuracy) },
    ],
    calibration.bins.filter((bin) => bin.examples > 0),
  ),
})}
<div class="card figures"><h3>Scores of the probabilities</h3>${pairs([
      ["Expected calibration error", percent(calibration.ece, 2)],
      ["Brier score", significant(brier)],
      ["Cross-entropy", loss === null ? "not finite" : `${significant(loss)} nats`],
      ["Bins", `${calibration.bins.length} of equal width`],
      ["Examples", count(examples)],
    ])}<p class="note">Bars that end on the dashed diagonal belong to a perfectly calibrated model. The expected calibration error is the mean distance from it, bins weighted by their examples (Guo et al. 2017).</p></div>
</div>`,
  };
}
