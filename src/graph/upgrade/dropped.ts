import { attributeFloat, attributeFloats, attributeInts } from "../attributes.js";
import { Composition } from "./composition.js";
import type { Rule } from "./rules.js";

// Operators that ONNX had on trial in its first years and dropped; exporters of CoreML and Caffe2 models wrote them, and ONNX Runtime still runs them.

/** alpha f(beta x) */
const scaled =
  (op: string): Rule =>
  (node, surroundings) => {
    const c = new Composition(node, surroundings);
    const [alpha, beta] = ["alpha", "beta"].map((name) => c.scalar(name, attributeFloat(node.attributes, name, 0)));
    c.op("Mul", [c.op(op, [c.op("Mul", [node.inputs[0]!, beta!])]), alpha!], {}, node.outputs[0]);
    return c.nodes;
  };

/** alpha x + beta */
const affine: Rule = (node, surroundings) => {
  const c = new Composition(node, surroundings);
  const alpha = c.scalar("alpha", attributeFloat(node.attributes, "alpha", 1));
  const beta = c.scalar("beta", attributeFloat(node.attributes, "beta", 0));
  c.op("Add", [c.op("Mul", [node.inputs[0]!, alpha]), beta], {}, node.outputs[0]);
  return c.nodes;
};

const scale: Rule = (node, surroundings) => {
  const c = new Composition(node, surroundings);
  c.op("Mul", [node.inputs[0]!, c.scalar("scale", attributeFloat(node.attributes, "scale", 1))], {}, node.outputs[0]);
  return c.nodes;
};

/** scale x + bias, with a bias for each channel of [N, C, H, W]. */
const imageScaler: Rule = (node, surroundings) => {
  const c = new Composition(node, surroundings);
  const bias = surroundings.floats(node, "bias", attributeFloats(node.attributes, "bias") ?? []);
  const channels = c.op("Unsqueeze", [bias, c.integers("axes", [1, 2])]);
  const product = c.op("Mul", [node.inputs[0]!, c.scalar("scale", attributeFloat(node.attributes, "scale", 1))]);
  c.op("Add", [product, channels], {}, node.outputs[0]);
  return c.nodes;
};

/** [N, C, H, W] without a border (left, top, right, bottom), or, with `scale`, that many rows and columns from its top left corner on. */
const crop: Rule = (node, surroundings) => {
  const [left, top, right, bottom] = attributeInts(node.attributes, "border") ?? [];
  if (left === undefined || top === undefined || right === undefined || bottom === undefined) return undefined;
  const size = attributeInts(node.attributes, "scale");
  const far = Number.MAX_SAFE_INTEGER;
  const ends = size ? [top + size[0]!, left + size[1]!] : [bottom === 0 ? far : -bottom, right === 0 ? far : -right];
  const c = new Composition(node, surroundings);
  const bounds = [c.integers("starts", [top, left]), c.integers("ends", ends), c.integers("axes", [2, 3])];
  c.op("Slice", [node.inputs[0]!, ...bounds], {}, node.outputs[0]);
  return c.nodes;
};

export const droppedRules: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ["Affine", affine],
  ["Scale", scale],
  ["ScaledTanh", scaled("Tanh")],
  ["ParametricSoftplus", scaled("Softplus")],
  ["ImageScaler", imageScaler],
  ["Crop", crop],
  ["DynamicSlice", (node) => [{ ...node, op: "Slice", domain: "" }]],
]);
