import type { InputDescription } from "./dataset.js";

/** A batch before blending, and the draws that blend it. */
export interface MixupBatch {
  readonly input: InputDescription;
  /** [count, ...record]; blended in place. */
  readonly records: Uint8Array | Float32Array;
  /** [count, classes]; blended in place. */
  readonly targets: Float32Array;
  readonly count: number;
  /** Whom each example is blended with. [count] */
  readonly partners: ArrayLike<number>;
  /** The share that each example keeps of itself, in [0, 1]. [count] */
  readonly shares: ArrayLike<number>;
}

/**
 * Mixup (Zhang et al., arXiv 1710.09412, equation 1): x = s * x_i + (1 - s) * x_j and likewise for the targets, with s drawn for each example from
 * Beta(alpha, alpha) and j its partner. Categories cannot be blended, nor can a cell that is missing on one side: there the example with the larger
 * share decides.
 */
export function mixup({ input, records, targets, count, partners, shares }: MixupBatch): void {
  const recordLength = records.length / count;
  const classes = targets.length / count;
  const originals = records.slice();
  const originalTargets = targets.slice();
  const blended = input.kind === "table" ? input.numeric.length : recordLength;
  const half = records instanceof Uint8Array ? 0.5 : 0;
  for (let example = 0; example < count; example++) {
    const share = shares[example]!;
    const own = example * recordLength;
    const other = partners[example]! * recordLength;
    const dominant = share >= 0.5 ? own : other;
    for (let i = 0; i < blended; i++) {
      const value = share * originals[own + i]! + (1 - share) * originals[other + i]!;
      records[own + i] = Number.isNaN(value) ? originals[dominant + i]! : value + half;
    }
    for (let i = blended; i < recordLength; i++) records[own + i] = originals[dominant + i]!;
    for (let i = 0; i < classes; i++) {
      targets[example * classes + i] =
        share * originalTargets[example * classes + i]! +
        (1 - share) * originalTargets[partners[example]! * classes + i]!;
    }
  }
}
