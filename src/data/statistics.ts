import type { Dataset } from "./dataset.js";
import { recordsPerMebibyte, sequentialBatches } from "./sequential.js";

/** What normalisation needs to know of the training split. Plain data: it goes into run.json and, as constants, into the exported graph. */
export type InputStatistics = ImageStatistics | TableStatistics;

/** Mean and standard deviation of pixel / 255 for each channel; a deviation of 0 is given as 1. */
export interface ImageStatistics {
  readonly kind: "image";
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

export interface TableStatistics {
  readonly kind: "table";
  /** One for each numeric column, in record order. */
  readonly numeric: readonly ColumnStatistics[];
}

export interface ColumnStatistics {
  /** Of the cells that are not missing; 0 where all are. */
  readonly mean: number;
  /** Likewise, dividing by the number of cells; 1 where all cells are equal or missing. */
  readonly std: number;
  /** Greatest minus least cell; 0 where all are equal or missing. */
  readonly range: number;
  /** Whether any cell is missing. */
  readonly missing: boolean;
}

/** The statistics of a split, in one pass over its records that holds about a mebibyte of them at a time. */
export function inputStatistics(dataset: Dataset): InputStatistics {
  return dataset.input.kind === "image"
    ? imageStatistics(dataset, dataset.input.channels)
    : tableStatistics(dataset, dataset.input.numeric.length);
}

/** Counts how often each channel takes each of its 256 values: the moments that follow are exact, whatever the number of pixels. */
function imageStatistics(dataset: Dataset, channels: number): ImageStatistics {
  const counts = Array.from({ length: channels }, () => new Float64Array(256));
  for (const { records } of sequentialBatches(dataset, recordsPerMebibyte(dataset))) {
    for (let channel = 0; channel < channels; channel++) {
      const count = counts[channel]!;
      for (let i = channel; i < records.length; i += channels) count[records[i]!]!++;
    }
  }
  const moments = counts.map((count) => {
    const total = count.reduce((sum, n) => sum + n, 0);
    const mean = count.reduce((sum, n, value) => sum + n * value, 0) / Math.max(total, 1);
    const variance = count.reduce((sum, n, value) => sum + n * (value - mean) ** 2, 0) / Math.max(total, 1);
    return { mean: mean / 255, std: Math.sqrt(variance) / 255 || 1 };
  });
  return { kind: "image", mean: moments.map(({ mean }) => mean), std: moments.map(({ std }) => std) };
}

/** Welford's recurrence (Technometrics 4, 1962): mean and sum of squared deviations, updated cell by cell in float64. */
function tableStatistics(dataset: Dataset, columns: number): TableStatistics {
  const counts = new Float64Array(columns);
  const means = new Float64Array(columns);
  const squares = new Float64Array(columns);
  const least = new Float64Array(columns).fill(Number.POSITIVE_INFINITY);
  const greatest = new Float64Array(columns).fill(Number.NEGATIVE_INFINITY);
  for (const { records, count } of sequentialBatches(dataset, recordsPerMebibyte(dataset))) {
    for (let row = 0; row < count; row++) {
      for (let column = 0; column < columns; column++) {
        const value = records[row * dataset.recordLength + column]!;
        if (Number.isNaN(value)) continue;
        counts[column]!++;
        const deviation = value - means[column]!;
        means[column]! += deviation / counts[column]!;
        squares[column]! += deviation * (value - means[column]!);
        least[column] = Math.min(least[column]!, value);
        greatest[column] = Math.max(greatest[column]!, value);
      }
    }
  }
  const numeric = Array.from({ length: columns }, (_, column) => ({
    mean: means[column]!,
    std: Math.sqrt(squares[column]! / Math.max(counts[column]!, 1)) || 1,
    range: counts[column]! > 0 ? greatest[column]! - least[column]! : 0,
    missing: counts[column]! < dataset.size,
  }));
  return { kind: "table", numeric };
}
