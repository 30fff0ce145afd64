import { type Dataset, recordArray, type Splits } from "../data/core.js";
import { norms } from "../method/index.js";
import type { Evaluation, Mistake } from "../metrics/index.js";
import type { ReportedMistake, Setting, TrainingReport } from "../report/index.js";
import type { TrainingOutcome } from "../train/index.js";
import type { PreparedTraining } from "./prepare.js";
import type { RunRecord } from "./record.js";

export interface ReportInput {
  readonly splits: Splits;
  readonly record: RunRecord;
  readonly prepared: PreparedTraining;
  readonly outcome: TrainingOutcome;
  readonly validation: Evaluation;
  readonly test: Evaluation | undefined;
}

/** Gathers what a finished training's report shows. */
export function trainingReport({ splits, record, prepared, outcome, validation, test }: ReportInput): TrainingReport {
  const { settings } = prepared;
  const judged = test
    ? { evaluation: test, dataset: splits.test! }
    : { evaluation: validation, dataset: splits.validation };
  return {
    title: `${prepared.network.name} on ${record.data.path}`,
    createdAt: record.createdAt,
    status: outcome.status,
    data: {
      path: record.data.path,
      hash: splits.hash,
      classes: splits.train.classes,
      counts: {
        train: splits.train.size,
        validation: splits.validation.size,
        ...(splits.test ? { test: splits.test.size } : {}),
      },
    },
    model: { name: prepared.network.name, parameters: prepared.parameters },
    settings: {
      ...plainSettings(settings),
      device: record.device,
      threads: record.threads,
    },
    versions: record.versions,
    elr: settings.elr,
    scale: prepared.network.scale,
    epochs: outcome.progress.history,
    bestEpoch: outcome.keptEpoch,
    evaluations: test ? { validation, test } : { validation },
    mistakes: judged.evaluation.mistakes.map((mistake) => reportedMistake(mistake, judged.dataset)),
    weights: prepared.proofs.map(({ name, shape, scaleInvariant, reason }) => ({
      name,
      shape,
      scaleInvariant,
      reason,
      normBefore: norms(prepared.network.model.graph.initializers.get(name)!, undefined)[0]!,
      normAfter: norms(outcome.kept.get(name)!, undefined)[0]!,
    })),
    cost: {
      seconds: record.results?.seconds ?? 0,
      examplesPerSecond: record.results?.examplesPerSecond ?? 0,
      peakMemoryBytes: record.results?.peakMemoryBytes ?? 0,
    },
    warnings: [...splits.warnings, ...prepared.warnings],
  };
}

function plainSettings(settings: object): Record<string, Setting> {
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [
      name,
      typeof value === "object" && value !== null ? JSON.stringify(value) : ((value ?? null) as Setting),
    ]),
  );
}

function reportedMistake({ example, truth, predicted, confidence }: Mistake, dataset: Dataset): ReportedMistake {
  const { input } = dataset;
  const record = recordArray(dataset.dtype, dataset.recordLength);
  dataset.read([example], record);
  const shown = { source: dataset.source(example), truth, predicted, confidence };
  if (input.kind === "image") {
    const { width, height, channels } = input;
    return { ...shown, image: { width, height, channels, pixels: record as Uint8Array } };
  }
  const numeric = input.numeric.map((name, column) => {
    const cell = record[column]!;
    return [name, Number.isNaN(cell) ? null : cell] as const;
  });
  const categorical = input.categorical.map(({ name, categories }, column) => {
    const index = record[input.numeric.length + column]!;
    return [name, categories[index] ?? null] as const;
  });
  return { ...shown, row: Object.fromEntries([...numeric, ...categorical]) };
}
