import { attributeInt, attributeInts, attributeString } from "../../graph/index.js";
import { elementCount, int } from "../../onnx/types.js";
import { zerosLike } from "../constantLike.js";
import { type GradientContext, type GradientRule, registerGradient } from "../registry.js";
import { unbroadcast } from "./broadcast.js";
import { embed, interval } from "./embedding.js";
import { frontAxis, requireConstant } from "./operands.js";

// Operators that only move elements: y_j = x_s(j). The gradient moves them back, and adds up those that were copied.

/** The same elements in another shape: dx is dy in x's shape. */
const reshaped: GradientRule = ({ b, inputs: [x], dy: [dy] }) => [b.reshape(dy!, x!.shape)];

/** Axis i of y is axis perm[i] of x; by default they are reversed. The inverse permutation leads back. */
const Transpose: GradientRule = ({ b, attributes, inputs: [x], dy: [dy] }) => {
  const reversed = x!.shape.map((_, axis) => axis).reverse();
  const permutation = attributeInts(attributes, "perm") ?? reversed;
  return [
    b.transpose(
      dy!,
      permutation.map((_, axis) => permutation.indexOf(axis)),
    ),
  ];
};

/** Copies along axes of size 1 and along new axes in front: the transpose of broadcasting. */
const Expand: GradientRule = ({ b, inputs: [x], dy: [dy] }) => [unbroadcast(b, dy!, x!.shape)];

/** Axis i of size d repeated r times: as axes (r, d) the copies lie along the first, which is summed. */
const Tile: GradientRule = ({ b, inputs: [x], dy: [dy] }) => {
  if (elementCount(x!.shape) === 0) return [undefined];
  const split = x!.shape.flatMap((size, axis) => [dy!.shape[axis]! / size, size]);
  const copies = x!.shape.map((_, axis) => 2 * axis).filter((axis) => split[axis] !== 1);
  return [b.reshape(b.sum(b.reshape(dy!, split), copies), x!.shape)];
};

/** y is the inputs one after the other along an axis: each gets its part of dy. */
const Concat: GradientRule = ({ b, attributes, inputs, outputs: [y], dy: [dy], wants }) => {
  const axis = frontAxis(attributeInt(attributes, "axis", 1), y!.shape.length);
  let start = 0;
  return inputs.map((x, index) => {
    const [from, to] = [start, start + x!.shape[axis]!];
    start = to;
    return wants(index) ? interval(b, dy!, axis, from, to) : undefined;
  });
};

/** The outputs are parts of x along an axis: dx is their gradients one after the other, zeros for a part without one. */
const Split: GradientRule = ({ b, attributes, inputs: [x], outputs, dy }) => {
  const axis = frontAxis(attributeInt(attributes, "axis", 0), x!.shape.length);
  const parts = outputs.map((y, index) => dy[index] ?? zerosLike(b, y.shape, x!));
  return [b.op("Concat", parts, { axis: int(axis) })];
};

/**
 * Along each sliced axis y_i = x_(start + i step): dy goes back to these places, zeros to the others.
 * Starts, ends, axes and steps are attributes before opset 10 (without steps), inputs since.
 */
const Slice: GradientRule = (context) => {
  const { b, inputs, dy } = context;
  const x = inputs[0]!;
  const { starts, axes, steps } = sliceArguments(context);
  const places = x.shape.map(() => ({ start: 0, step: 1 }));
  axes.forEach((axis, index) => {
    const [size, step] = [x.shape[axis]!, steps[index]!];
    const start = frontAxis(starts[index]!, size);
    // Beyond the ends ONNX clamps: a forward slice starts in [0, size], a backward one in [0, size - 1].
    places[axis] = { start: Math.min(Math.max(start, 0), step > 0 ? size : size - 1), step };
  });
  return [elementCount(dy[0]!.shape) === 0 ? undefined : embed(b, dy[0]!, x.shape, places)];
};

function sliceArguments({ node, attributes, inputs: [x, starts, , axes, steps] }: GradientContext) {
  const from = attributeInts(attributes, "starts") ?? requireConstant(node, "starts", starts!);
  const named = attributeInts(attributes, "axes") ?? (axes && requireConstant(node, "axes", axes));
  return {
    starts: from,
    axes: named?.map((axis) => frontAxis(axis, x!.shape.length)) ?? from.map((_, axis) => axis),
    steps: steps ? requireConstant(node, "steps", steps) : from.map(() => 1),
  };
}

/** Zeros on one side of the diagonal: those elements do not count. */
const Trilu: GradientRule = ({ b, attributes, inputs: [, k], dy: [dy] }) => [
  b.op("Trilu", [dy!, k], { upper: int(attributeInt(attributes, "upper", 1)) }),
];

/**
 * [N, C b^2, H, W] -> [N, C, H b, W b]: a channel holds one element of each b x b block. SpaceToDepth is the inverse where the block's position
 * comes first in the channels (DCR); where it comes last (CRD) the same is written out.
 */
const DepthToSpace: GradientRule = ({ b, attributes, inputs: [x], dy: [dy] }) => {
  const blocksize = attributeInt(attributes, "blocksize", 1);
  if (attributeString(attributes, "mode", "DCR") === "DCR")
    return [b.op("SpaceToDepth", [dy!], { blocksize: int(blocksize) })];
  const [images, channels, height, width] = dy!.shape as [number, number, number, number];
  const blocks = [images, channels, height / blocksize, blocksize, width / blocksize, blocksize];
  return [b.reshape(b.transpose(b.reshape(dy!, blocks), [0, 1, 3, 5, 2, 4]), x!.shape)];
};

/** The inverse of DepthToSpace (DCR). */
const SpaceToDepth: GradientRule = ({ b, attributes, dy: [dy] }) => [
  b.op("DepthToSpace", [dy!], { blocksize: int(attributeInt(attributes, "blocksize", 1)) }),
];

registerGradient("Reshape", reshaped);
registerGradient("Flatten", reshaped);
registerGradient("Squeeze", reshaped);
registerGradient("Unsqueeze", reshaped);
registerGradient("Transpose", Transpose);
registerGradient("Expand", Expand);
registerGradient("Tile", Tile);
registerGradient("Concat", Concat);
registerGradient("Split", Split);
registerGradient("Slice", Slice);
registerGradient("Trilu", Trilu);
registerGradient("DepthToSpace", DepthToSpace);
registerGradient("SpaceToDepth", SpaceToDepth);
