import type { Evaluation } from "../metrics/index.js";
import { bytes, count, dateTime, duration, elrMarkup, percent, shareDigits, significant } from "./format.js";
import { type Content, given, html } from "./html.js";
import { renderPage, type Section } from "./page.js";
import { notes, type Tile, tiles } from "./parts.js";
import { calibrationSection } from "./sections/calibration.js";
import { classesSection } from "./sections/classes.js";
import { confusionSection } from "./sections/confusion.js";
import { mistakesSection } from "./sections/mistakes.js";
import { settingsSection } from "./sections/settings.js";
import { trainingSection } from "./sections/training.js";
import { weightsSection } from "./sections/weights.js";
import type { TrainingReport } from "./trainingReport.js";

/**
 * A training's report as one self-contained HTML file: it loads nothing, fits phone, desktop, paper and both themes, and shows what came
 * from outside (class names, paths, settings) as text only.
 */
export function renderTrainingReport(report: TrainingReport): string {
  const { title, data, model, createdAt } = report;
  return renderPage({
    kind: "training report",
    title,
    badge: statusBadge(report),
    about: html`${count(data.classes.length)} classes · ${given(model.name)}, ${count(model.parameters)} parameters · ${dateTime(createdAt)}`,
    head: html`${notes(report.warnings)}${tiles(headline(report))}`,
    sections: trainingSections(report),
    footer: html`Made by isonorm ${report.versions.isonorm}. All figures are of the weights that were kept.`,
  });
}

function statusBadge({ status }: TrainingReport): Content {
  if (status === "done") return "";
  return html`<span class="status${status === "stopped early" ? "" : " bad"}">${status}</span>`;
}

/** The figures by which a training is judged: test accuracy first, where there is a test split. */
export function headline({ evaluations, elr, scale, cost, epochs, bestEpoch }: TrainingReport): Tile[] {
  const last = epochs[epochs.length - 1];
  const { test, validation } = evaluations;
  const figures: Tile[] = [accuracyTile("Validation accuracy", validation)];
  if (test) figures.unshift(accuracyTile("Test accuracy", test));
  return [
    ...figures,
    { name: "Effective learning rate", value: elrMarkup(elr), detail: significant(elr) },
    { name: "Scale", value: significant(scale) },
    {
      name: "Epochs",
      value: last ? significant(last.epoch) : "0",
      detail: bestEpoch === null ? undefined : `weights of epoch ${significant(bestEpoch)}`,
    },
    { name: "Time", value: duration(cost.seconds) },
    { name: "Speed", value: count(cost.examplesPerSecond), detail: "training examples per second" },
    { name: "Peak memory", value: bytes(cost.peakMemoryBytes) },
  ];
}

function accuracyTile(
  name: string,
  { accuracy, accuracyInterval: { low, high }, correct, examples }: Evaluation,
): Tile {
  const digits = shareDigits(examples);
  return {
    name,
    value: percent(accuracy, digits),
    detail: html`${percent(low, digits)} to ${percent(high, digits)}<br>${count(correct)} of ${count(examples)}`,
  };
}

/** Everything below the headline; the search report shows the same for its winner. */
export function trainingSections(report: TrainingReport): Section[] {
  const { evaluations, data } = report;
  const split = evaluations.test ? "test" : "validation";
  const judged = evaluations.test ?? evaluations.validation;
  return [
    trainingSection(report),
    confusionSection(judged, data.classes, split),
    classesSection(judged, data.classes, split),
    calibrationSection(judged, split),
    mistakesSection(report.mistakes, data.classes, split),
    weightsSection(report.weights),
    settingsSection(report),
  ];
}
