import { Tensor } from "onnxruntime-common";
import type { InputDescription } from "../data/core.js";
import { serving } from "./export.js";

/**
 * The inputs of an exported classifier from packed records (`Dataset.read`).
 *
 * @param records - [count, recordLength]: uint8 pixels, or float32 rows whose categories are indices (-1 where missing)
 */
export function servingFeeds(
  input: InputDescription,
  records: Uint8Array | Float32Array,
  count: number,
): Record<string, Tensor> {
  if (input.kind === "image")
    return {
      [serving.pixels]: new Tensor("uint8", records as Uint8Array, [count, input.height, input.width, input.channels]),
    };
  const { numeric, categorical } = input;
  const columns = numeric.length + categorical.length;
  const feeds: Record<string, Tensor> = {};
  if (numeric.length > 0) {
    const cells = new Float32Array(count * numeric.length);
    for (let row = 0; row < count; row++)
      for (let column = 0; column < numeric.length; column++)
        cells[row * numeric.length + column] = records[row * columns + column]!;
    feeds[serving.features] = new Tensor("float32", cells, [count, numeric.length]);
  }
  if (categorical.length > 0) {
    const cells: string[] = [];
    for (let row = 0; row < count; row++)
      categorical.forEach(({ categories }, column) => {
        cells.push(categories[records[row * columns + numeric.length + column]!] ?? "");
      });
    feeds[serving.categories] = new Tensor("string", cells, [count, categorical.length]);
  }
  return feeds;
}
