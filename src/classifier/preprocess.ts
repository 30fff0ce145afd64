import type { ColumnStatistics, InputDescription, InputStatistics } from "../data/core.js";
import type { GraphBuilder, Value } from "../graph/index.js";
import { int, type Tensor } from "../onnx/types.js";

/**
 * Raw input to network input, as part of the graph, so that a trained model takes pixels or columns as they are.
 *
 * Images: uint8 [batch, height, width, channels] to float32 [batch, channels, height, width], (x / 255 - mean) / std per channel.
 * Tables: see {@link tableFeatures}.
 *
 * The operators do not depend on the batch size.
 */
export function preprocessImage(b: GraphBuilder, pixels: Value, statistics: InputStatistics): Value {
  if (statistics.kind !== "image") throw new TypeError("image data needs image statistics");
  const channels = statistics.mean.length;
  const perChannel = (values: readonly number[]): Value =>
    b.constant(
      { dtype: "float32", shape: [1, channels, 1, 1], data: Float32Array.from(values) },
      "preprocess/constant",
    );
  const planes = b.transpose(b.cast(pixels, "float32"), [0, 3, 1, 2]);
  const gain = perChannel(statistics.std.map((std) => 1 / (255 * std)));
  const shift = perChannel(statistics.mean.map((mean, channel) => mean / statistics.std[channel]!));
  return b.minus(b.times(planes, gain), shift);
}

/**
 * What a numeric column is divided by: its standard deviation, but at least a third of its range. A column that is nearly always 0 has a tiny deviation,
 * by which its few other values would become enormous; so nothing lies further than 3 from the mean (docs/decisions.md).
 */
function columnScale({ std, range }: ColumnStatistics): number {
  return Math.max(std, range / 3);
}

/**
 * A table's network input, float32 [batch, features]: numeric columns centred and scaled, a missing one (NaN) set to the mean; then an
 * indicator (0 or 1) for each numeric column that had missing values in training; then a one-hot block for each categorical column,
 * all zero where the category is missing or unknown.
 *
 * @param numeric - float32 [batch, numeric columns]; undefined where there are none
 * @param isCategory - for each categorical column, bool [batch, categories]
 */
export function preprocessTable(
  b: GraphBuilder,
  numeric: Value | undefined,
  isCategory: readonly Value[],
  statistics: InputStatistics,
): Value {
  if (statistics.kind !== "table") throw new TypeError("table data needs table statistics");
  const columns = statistics.numeric;
  const blocks: Value[] = [];
  if (numeric) {
    const row = (values: readonly number[]): Value =>
      b.constant(
        { dtype: "float32", shape: [1, values.length], data: Float32Array.from(values) },
        "preprocess/constant",
      );
    const missing = b.op("IsNaN", [numeric]);
    const standardised = b.times(
      b.minus(numeric, row(columns.map(({ mean }) => mean))),
      row(columns.map((column) => 1 / columnScale(column))),
    );
    blocks.push(b.where(missing, b.scalar(0), standardised));
    const incomplete = columns.flatMap(({ missing }, column) => (missing ? [column] : []));
    if (incomplete.length > 0)
      blocks.push(b.cast(b.op("Gather", [missing, b.int64(incomplete)], { axis: int(1) }), "float32"));
  }
  for (const block of isCategory) blocks.push(b.cast(block, "float32"));
  return blocks.length === 1 ? blocks[0]! : b.op("Concat", blocks, { axis: int(1) });
}

/** Network input from packed records (`Dataset.read`): uint8 pixels, or float32 rows whose categories are indices. */
export function preprocessRecords(
  b: GraphBuilder,
  records: Value,
  description: InputDescription,
  statistics: InputStatistics,
): Value {
  if (description.kind === "image") return preprocessImage(b, records, statistics);
  const { numeric, categorical } = description;
  const columns = (from: number, to: number): Value =>
    to - from === records.shape[1] ? records : b.op("Slice", [records, b.int64([from]), b.int64([to]), b.int64([1])]);
  const isCategory = categorical.map(({ categories }, index) => {
    const column = numeric.length + index;
    const indices: Tensor = {
      dtype: "float32",
      shape: [1, categories.length],
      data: Float32Array.from(categories, (_, category) => category),
    };
    return b.op("Equal", [columns(column, column + 1), b.constant(indices, "preprocess/categories")]);
  });
  return preprocessTable(b, numeric.length > 0 ? columns(0, numeric.length) : undefined, isCategory, statistics);
}

/** Shape of one example after preprocessing: [channels, height, width] or [features]. */
export function preprocessedShape(description: InputDescription, statistics: InputStatistics): readonly number[] {
  if (description.kind === "image") return [description.channels, description.height, description.width];
  const indicators = statistics.kind === "table" ? statistics.numeric.filter(({ missing }) => missing).length : 0;
  const oneHot = description.categorical.reduce((sum, { categories }) => sum + categories.length, 0);
  return [description.numeric.length + indicators + oneHot];
}

/** Shape of one packed record as the training graph takes it. */
export function recordShape(description: InputDescription): readonly number[] {
  return description.kind === "image"
    ? [description.height, description.width, description.channels]
    : [description.numeric.length + description.categorical.length];
}
