import { attributeInts, attributeString, type Value } from "../../graph/index.js";
import { type GradientContext, type GradientRule, registerGradient } from "../registry.js";
import { axisMatrix, transposedAlongAxis } from "./axisMatrix.js";
import { padded } from "./embedding.js";
import { frontAxis, requireConstant, unsupported } from "./operands.js";

/**
 * Padding repeats elements of x, or a constant, around it.
 *
 * constant: dx is the inner part of dy, and the constant's gradient is the sum of the rest. Negative pads cut x; the gradient of what they cut is 0.
 *
 * reflect, edge, wrap: along each axis y = P x, P a matrix with a single 1 in each row, at the element that is repeated there. The axes
 * are independent, so dx is P' applied to dy along one axis after the other.
 *
 * Pads are an attribute before opset 11, an input since; axes may be named since opset 18.
 */
const Pad: GradientRule = (context) => {
  const { b, node, attributes, inputs, dy, wants } = context;
  const x = inputs[0]!;
  const mode = attributeString(attributes, "mode", "constant");
  const { before, after } = pads(context, x);
  if (mode === "constant") {
    const inner = padded(b, dy[0]!, before.map(negative), after.map(negative));
    const rest = wants(2) ? b.minus(b.sum(dy[0]!), b.sum(inner)) : undefined;
    return [inner, undefined, rest && b.reshape(rest, inputs[2]!.shape)];
  }
  if (before.some((pad) => pad < 0) || after.some((pad) => pad < 0))
    throw unsupported(node, `mode ${mode} with negative pads`, "Cut with Slice instead");
  const source = sources[mode];
  if (!source) throw unsupported(node, `mode is ${mode}`, "Use constant, reflect, edge or wrap");
  let gradient = dy[0]!;
  x.shape.forEach((size, axis) => {
    if (before[axis] === 0 && after[axis] === 0) return;
    const length = gradient.shape[axis]!;
    const repeats = Array.from({ length }, (_, i) => [i, source(i - before[axis]!, size), 1] as const);
    gradient = transposedAlongAxis(b, axisMatrix(length, size, repeats), gradient, axis);
  });
  return [gradient];
};

/** The element of an axis of that size that stands at position i, counted from the first element; i may lie outside. */
const sources: Readonly<Record<string, (i: number, size: number) => number>> = {
  edge: (i, size) => Math.min(Math.max(i, 0), size - 1),
  wrap: (i, size) => ((i % size) + size) % size,
  reflect: (i, size) => {
    const period = Math.max(2 * (size - 1), 1);
    const position = ((i % period) + period) % period;
    return position < size ? position : period - position;
  },
};

function pads({ node, attributes, inputs }: GradientContext, x: Value) {
  const rank = x.shape.length;
  const numbers = attributeInts(attributes, "pads") ?? requireConstant(node, "pads", inputs[1]!);
  const named = inputs[3] ? requireConstant(node, "axes", inputs[3]) : x.shape.map((_, axis) => axis);
  const [before, after] = [new Array<number>(rank).fill(0), new Array<number>(rank).fill(0)];
  named.forEach((axis, index) => {
    before[frontAxis(axis, rank)] = numbers[index]!;
    after[frontAxis(axis, rank)] = numbers[index + named.length]!;
  });
  return { before, after };
}

const negative = (pad: number) => (pad === 0 ? 0 : -pad);

registerGradient("Pad", Pad);
