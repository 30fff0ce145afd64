/** The value that a share of the values does not exceed; of the values that are there, the lower one. */
export const quantile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor(share * (values.length - 1))]!;

export const median = (values: readonly number[]): number => quantile(values, 0.5);
