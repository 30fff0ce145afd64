import { int } from "../../onnx/types.js";
import { attributeInt } from "../attributes.js";
import { Composition } from "./composition.js";
import type { Rule } from "./rules.js";

// Sequences whose making the graph shows, as PyTorch's exporter writes torch.split and torch.stack of lists: what is read of them is a tensor. The nodes that make them are left
// without a reader.

/** One element, by a constant number, of a sequence that was put together, or that a tensor was cut into. */
const sequenceAt: Rule = (node, surroundings) => {
  const [sequence, position] = node.inputs as [string, string];
  const maker = surroundings.makerOf(sequence);
  const [index] = surroundings.constantNumbers(position) ?? [];
  if (!maker || index === undefined) return undefined;
  const c = new Composition(node, surroundings);
  const [y] = node.outputs;
  if (maker.op === "SequenceConstruct") {
    const element = maker.inputs.at(index);
    if (!element) return undefined;
    c.op("Identity", [element], {}, y);
    return c.nodes;
  }
  if (maker.op !== "SplitToSequence") return undefined;
  const [x, split] = maker.inputs as [string, string?];
  const axis = attributeInt(maker.attributes, "axis", 0);
  if (!split && attributeInt(maker.attributes, "keepdims", 1) === 0) {
    c.op("Gather", [x, c.integer("index", index)], { axis: int(axis) }, y);
    return c.nodes;
  }
  const sizes = split ? surroundings.constantNumbers(split) : [1];
  const listed = split ? surroundings.typeOf(split).shape?.length === 1 : false;
  const place = listed && index < 0 ? index + sizes!.length : index;
  // How many equal parts there are is known when shapes are; the last may be smaller.
  if (!sizes || place < 0) return undefined;
  const sum = (count: number) => sizes.slice(0, count).reduce((total, size) => total + size, 0);
  const [start, end] = listed ? [sum(place), sum(place + 1)] : [place * sizes[0]!, (place + 1) * sizes[0]!];
  c.op("Slice", [x, ...[start, end, axis].map((number) => c.integers("bound", [number]))], {}, y);
  return c.nodes;
};

/** The elements of a sequence that was put together, side by side or, with new_axis, one above the other. */
const concatFromSequence: Rule = (node, surroundings) => {
  const maker = surroundings.makerOf(node.inputs[0]!);
  if (maker?.op !== "SequenceConstruct") return undefined;
  const axis = attributeInt(node.attributes, "axis", 0);
  const c = new Composition(node, surroundings);
  const stacked = attributeInt(node.attributes, "new_axis", 0) !== 0;
  const parts = maker.inputs.map((x) => (stacked ? c.op("Unsqueeze", [x, c.integers("axis", [axis])]) : x));
  c.op("Concat", parts, { axis: int(axis) }, node.outputs[0]);
  return c.nodes;
};

export const sequenceRules: ReadonlyMap<string, Rule> = new Map([
  ["SequenceAt", sequenceAt],
  ["ConcatFromSequence", concatFromSequence],
]);
