import { evaluatePredictions } from "../metrics/index.js";
import type { ReportedTrial, SearchReport } from "./searchReport.js";
import type { EpochRecord, TrainingReport } from "./trainingReport.js";

/** Reports for tests: small, and right in every field. `text` makes every string that comes from outside. */
export function exampleTraining(classes = 3, text: (plain: string) => string = (plain) => plain): TrainingReport {
  const names = Array.from({ length: classes }, (_, k) => text(`class ${k}`));
  const labels = Int32Array.from({ length: 4 * classes }, (_, i) => i % classes);
  // Every seventh example is taken for the next class.
  const logits = Float32Array.from({ length: labels.length * classes }, (_, j) => {
    const i = Math.floor(j / classes);
    const target = i % 7 === 0 ? (labels[i]! + 1) % classes : labels[i];
    return j % classes === target ? 3 + (i % 5) / 2 : 0;
  });
  const evaluation = evaluatePredictions(labels, logits, classes);
  const pixels = Uint8Array.from({ length: 6 * 4 * 3 }, (_, i) => (i * 37) % 256);
  return {
    title: text("title"),
    createdAt: "2026-11-23T20:49:12Z",
    status: "done",
    data: {
      path: text("data"),
      hash: "ab".repeat(32),
      classes: names,
      counts: { train: 30, validation: 12, test: 12 },
    },
    model: { name: text("model"), parameters: 1234 },
    settings: { [text("setting")]: text("value"), momentum: 0.9, nesterov: false, clipping: null },
    versions: { isonorm: text("0.1.0"), [text("engine")]: text("1.30.0") },
    elr: 2 ** -8.5,
    scale: 7.9,
    epochs: exampleEpochs(5),
    bestEpoch: 4,
    evaluations: { validation: evaluation, test: evaluation },
    mistakes: evaluation.mistakes.map((mistake, i) => ({
      ...mistake,
      source: text(`source ${i}`),
      ...(i % 2 === 0
        ? { image: { width: 6, height: 4, channels: 3, pixels } }
        : {
            row: Object.fromEntries(
              Array.from({ length: 12 }, (_, k) => [text(`column ${k}`), k === 0 ? null : text("cell")]),
            ),
          }),
    })),
    weights: [
      {
        name: text("weight"),
        shape: [8, 4],
        scaleInvariant: true,
        reason: text("reason"),
        normBefore: 2,
        normAfter: 2.000001,
      },
      { name: "bias", shape: [], scaleInvariant: false, reason: "no norm follows", normBefore: 0, normAfter: 0.5 },
    ],
    cost: { seconds: 41.3, examplesPerSecond: 51_240, peakMemoryBytes: 212e6 },
    warnings: [text("warning")],
  };
}

export function exampleEpochs(count: number): EpochRecord[] {
  return Array.from({ length: count }, (_, i) => ({
    epoch: i + 1,
    elr: 0.003 * (1 - (i + 1) / count),
    trainLoss: 1 / (i + 1),
    trainAccuracy: 1 - 0.5 / (i + 1),
    validationLoss: 1.2 / (i + 1),
    validationAccuracy: 1 - 0.6 / (i + 1),
    examplesPerSecond: 50_000 + i,
    seconds: 1,
  }));
}

export function exampleSearch(text: (plain: string) => string = (plain) => plain): SearchReport {
  const winner = exampleTraining(3, text);
  const [short, full] = [text("short"), text("full")];
  const trial = (id: number, rung: string, octave: number, rest: Partial<ReportedTrial> = {}): ReportedTrial => ({
    id,
    rung,
    elr: 2 ** octave,
    scale: 7.9,
    settings: { [text("momentum")]: text("0.9") },
    state: "complete",
    validationLoss: 0.1 + 0.01 * (octave + 8) ** 2,
    validationAccuracy: 0.9 - 0.01 * (octave + 8) ** 2,
    epochs: exampleEpochs(rung === full ? 8 : 2),
    cost: rung === full ? 1 : 0.125,
    seconds: 5,
    ...rest,
  });
  return {
    title: text("title"),
    createdAt: "2026-11-23T20:52:40Z",
    status: "done",
    data: winner.data,
    model: winner.model,
    settings: { [text("strategy")]: text("bracket") },
    rungs: [
      { name: short, epochs: 1 },
      { name: full, epochs: 8 },
    ],
    trials: [
      trial(1, short, -10),
      trial(2, short, -9),
      trial(3, short, -8),
      trial(4, short, -2, { state: "diverged", validationLoss: null, validationAccuracy: null, epochs: [] }),
      trial(5, short, -7, { state: "failed", validationLoss: null, validationAccuracy: null, error: text("error") }),
      trial(6, full, -8.25),
    ],
    fit: {
      rung: short,
      points: [-10, -9, -8, -7].map((octave) => {
        const loss = 0.1 + 0.01 * (octave + 8) ** 2;
        return { elr: 2 ** octave, loss, low: loss - 0.01, high: loss + 0.01 };
      }),
    },
    chosen: 2 ** -8.25,
    cost: { fullRuns: 1.625, byRung: { [short]: 0.625, [full]: 1 }, seconds: 90 },
    winner,
    versions: winner.versions,
    warnings: [text("warning")],
  };
}
