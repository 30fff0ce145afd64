/** What is taken for granted before the first training, in one place. */
export const prior = {
  /** Standard deviation of the optimum around the default ELR, octaves. One default served networks of three kinds (design, section 5), so three octaves are wide. */
  optimumSpread: 3,
  /** Median rise of ln loss one octave from the optimum, and the standard deviation of its logarithm; each side for itself. */
  rise: 0.04,
  riseSpread: 1,
  /** The curve's shape is trusted to this share of its height: the model's error at a point where it stands g above its minimum has the standard deviation 0.2 g. */
  shapeError: 0.2,
  /** Standard deviation of the logarithm of (real noise between seeds / `seedNoise`). */
  noiseSpread: 0.6,
  /**
   * The optimum's drift when training gets twice as long, octaves: a random walk in the logarithm of the length. Up to the passes after which the data begin to be memorised it hardly
   * moves. Beyond, it depends on the data: a higher ELR regularises, a lower one settles. Measured by validation loss over three doublings (bench/search/tables): Fashion-MNIST from 0.75
   * to 6 passes 0, from 2.25 to 18 +2.7; digits from 5 to 40 -0.8. So the mean is small, and the standard deviation beyond is large.
   */
  passesBeforeMemorising: 4,
  drift: 0.4,
  driftMean: 0.4,
  driftMemorising: 0.8,
  /** A training eight times as long has a curve flatter by 8^-0.4, give or take a factor e^0.7. */
  flattening: 0.4,
  flatteningSpread: 0.7,
} as const;

/**
 * Standard deviation, between seeds, of ln(validation loss), before any training has shown it.
 *
 * The loss of one example is small for most and a few nats for the few that are misjudged: as a sum over n examples it is close to a compound Poisson
 * variable. With exponential sizes of mean 1 nat its variance is 2 L n for a mean loss L, so that of the mean is 2 L / n and that of its logarithm 2 / (L n). Two seeds
 * share the validation examples, and most of their mistakes; measured, half of that standard deviation is left between them (digits, n = 287, L = 0.09: expected 0.14,
 * measured 0.13 to 0.16; Fashion-MNIST, n = 2000, L = 0.55: 0.021 and 0.03 to 0.05; L = 0.3: 0.029 and 0.025).
 *
 * @param loss - mean validation loss, nats
 * @param examples - validation examples
 */
export function seedNoise(loss: number, examples: number): number {
  return 0.5 * Math.sqrt(2 / (Math.max(loss, 1e-6) * examples));
}
