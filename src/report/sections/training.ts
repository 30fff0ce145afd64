import { lineChart } from "../charts/lineChart.js";
import { colour } from "../charts/palette.js";
import { count, counted, duration, isFigure, percent, percentTick, significant } from "../format.js";
import { type Content, type Html, html } from "../html.js";
import type { Section } from "../page.js";
import { figure, responsive, table } from "../parts.js";
import type { EpochRecord, TrainingReport } from "../trainingReport.js";

/** Loss, accuracy, learning rate and speed over the epochs. */
export function trainingSection({ epochs, bestEpoch, status }: TrainingReport): Section {
  const id = "training";
  const title = "Training";
  if (epochs.length === 0) return { id, title, content: html`<p>No epoch was finished.</p>` };
  const mark = bestEpoch === null ? undefined : { x: bestEpoch, text: "kept" };
  const both = [
    { text: "training", swatch: "muted" },
    { text: "validation", swatch: "accent" },
  ];
  const pair = (training: (epoch: EpochRecord) => number | null, validation: (epoch: EpochRecord) => number | null) => [
    { name: "training", points: series(epochs, training), colour: colour.muted },
    { name: "validation", points: series(epochs, validation), colour: colour.accent },
  ];
  const xName = "epoch";
  return {
    id,
    title,
    lead: lead(epochs, bestEpoch, status),
    content: html`<div class="grid">
${figure({
  title: "Loss",
  legend: both,
  chart: responsive("loss", (id, size) =>
    lineChart(
      id,
      {
        label: `Loss of training and validation over ${counted(epochs.length, "epoch")}`,
        xName,
        lines: pair(
          (epoch) => epoch.trainLoss,
          (epoch) => epoch.validationLoss,
        ),
        ...(mark && { mark }),
      },
      size,
    ),
  ),
  table: epochTable(epochs),
})}
${figure({
  title: "Accuracy",
  legend: both,
  chart: responsive("accuracy", (id, size) =>
    lineChart(
      id,
      {
        label: `Accuracy in training and validation over ${counted(epochs.length, "epoch")}`,
        xName,
        format: percentTick,
        lines: pair(
          (epoch) => epoch.trainAccuracy,
          (epoch) => epoch.validationAccuracy,
        ),
        ...(mark && { mark }),
      },
      size,
    ),
  ),
})}
${figure({
  title: "Effective learning rate",
  note: "At the end of each epoch, schedule included",
  chart: single(
    "elr",
    "Effective learning rate",
    epochs,
    (epoch) => epoch.elr,
    (elr) => significant(elr, 3),
  ),
})}
${figure({
  title: "Speed",
  note: "Training examples per second",
  chart: single("speed", "Training examples per second", epochs, (epoch) => epoch.examplesPerSecond, count),
})}
</div>`,
  };
}

/** y of each epoch. */
export function series<Epoch extends { readonly epoch: number }>(
  epochs: readonly Epoch[],
  yOf: (epoch: Epoch) => number | null,
): (readonly [number, number | null])[] {
  return epochs.map((epoch) => [epoch.epoch, yOf(epoch)]);
}

function single(
  id: string,
  name: string,
  epochs: readonly EpochRecord[],
  yOf: (epoch: EpochRecord) => number,
  format: (y: number) => string,
): Html {
  const lines = [{ name, points: series(epochs, yOf), colour: colour.accent }];
  return responsive(
    id,
    (id, size) =>
      lineChart(id, { label: `${name} over the epochs`, xName: "epoch", lines, format, fromZero: true }, size),
    { height: 210 },
  );
}

function lead(epochs: readonly EpochRecord[], bestEpoch: number | null, status: TrainingReport["status"]): Content {
  const last = epochs[epochs.length - 1]!;
  const kept = bestEpoch === null ? "" : ` The weights of epoch ${significant(bestEpoch)} were kept.`;
  const ends: Record<TrainingReport["status"], string> = {
    done: "",
    "stopped early": " It stopped early: validation no longer improved.",
    interrupted: " It was interrupted.",
    diverged: " It diverged: the loss ceased to be finite.",
  };
  return `${significant(last.epoch)} ${last.epoch === 1 ? "epoch" : "epochs"}.${ends[status]}${kept}`;
}

function epochTable(epochs: readonly EpochRecord[]): Html {
  const figureColumn = (
    title: string,
    of: (epoch: EpochRecord) => number | null,
    format: (value: number | null) => string,
  ) => ({
    title,
    value: of,
    cell: (epoch: EpochRecord) => (isFigure(of(epoch)) ? format(of(epoch)) : "not finite"),
  });
  return table(
    "Figures of each epoch",
    [
      { title: "epoch", cell: (epoch) => significant(epoch.epoch), value: (epoch) => epoch.epoch, heading: true },
      figureColumn("training loss", (epoch) => epoch.trainLoss, significant),
      figureColumn(
        "training accuracy",
        (epoch) => epoch.trainAccuracy,
        (share) => percent(share, 2),
      ),
      figureColumn("validation loss", (epoch) => epoch.validationLoss, significant),
      figureColumn(
        "validation accuracy",
        (epoch) => epoch.validationAccuracy,
        (share) => percent(share, 2),
      ),
      figureColumn(
        "ELR",
        (epoch) => epoch.elr,
        (elr) => significant(elr, 3),
      ),
      figureColumn("examples/s", (epoch) => epoch.examplesPerSecond, count),
      figureColumn("time", (epoch) => epoch.seconds, duration),
    ],
    epochs,
  );
}
