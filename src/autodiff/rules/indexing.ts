import { attributeInt, attributeString, type GraphBuilder, type Value } from "../../graph/index.js";
import { elementCount, int, type Node, string } from "../../onnx/types.js";
import { zerosLike } from "../constantLike.js";
import { type GradientRule, registerGradient } from "../registry.js";
import { embed } from "./embedding.js";
import { constantNumbers, frontAxis, unsupported } from "./operands.js";

// Reading by index, y_j = x[i(j)], and writing by index. An element that is read several times gets the sum of what its readers get, so
// the transpose of a gather is a scatter that adds.

/**
 * y[p, k, q] = x[p, indices[k], q], with p the axes before `axis`, q those after: dx[p, i, q] = sum over k with indices[k] = i of dy[p, k, q].
 * For one constant index this is dy among zeros.
 */
const Gather: GradientRule = ({ b, attributes, inputs: [x, indices], dy: [dy] }) => {
  const axis = frontAxis(attributeInt(attributes, "axis", 0), x!.shape.length);
  const [before, size, after] = [x!.shape.slice(0, axis), x!.shape[axis]!, x!.shape.slice(axis + 1)];
  const count = elementCount(indices!.shape);
  const read = b.reshape(dy!, [...before, count, ...after]);
  const index = count === 1 ? constantNumbers(indices)?.[0] : undefined;
  if (index !== undefined) {
    const places = x!.shape.map((_, i) => ({ start: i === axis ? frontAxis(index, size) : 0, step: 1 }));
    return [embed(b, read, x!.shape, places)];
  }
  const [outer, inner] = [elementCount(before), elementCount(after)];
  const rows = b.reshape(outer === 1 ? read : leadingAxis(b, b.reshape(read, [outer, count, inner])), [
    count,
    outer * inner,
  ]);
  const sums = addedRows(b, rows, indices!, size);
  const back = outer === 1 ? sums : leadingAxis(b, b.reshape(sums, [size, outer, inner]));
  return [b.reshape(back, x!.shape)];
};

/** [a, b, c] to [b, a, c]. */
function leadingAxis(b: GraphBuilder, x: Value): Value {
  return b.transpose(x, [1, 0, 2]);
}

/**
 * [count, width] to [size, width]: row i is the sum of the rows whose index is i.
 *
 * Not ScatterND: ONNX Runtime's adds in parallel without locks, so that sums of repeated indices lose terms, others in each run (onnxruntime
 * issues 18048 and 23396; seen in 1.30). Its ScatterElements is sequential. A product with the matrix of one-hot indices was 18 times faster
 * than that for 20,000 rows of 64 and 50 indices, so it is taken while the matrix stays small; before opset 16, where no scatter adds, always.
 */
function addedRows(b: GraphBuilder, rows: Value, indices: Value, size: number): Value {
  const [count, width] = rows.shape as readonly [number, number];
  if (count * size <= largestOneHot || (b.opsets.get("") ?? 1) < 16) {
    const values = b.constant({ dtype: "float32", shape: [2], data: Float32Array.of(0, 1) }, "offOn");
    const hot = b.op("OneHot", [b.reshape(indices, [count]), b.int64([size]), values], { axis: int(0) });
    return b.matMul(b.cast(hot, rows.dtype), rows);
  }
  const everywhere = b.expand(b.reshape(indices, [count, 1]), [count, width]);
  const [zeros, axis] = [zerosLike(b, [size, width], rows), int(0)];
  return b.op("ScatterElements", [zeros, everywhere, rows], { axis, reduction: string("add") });
}

/** Elements; 16 MiB of float32. */
const largestOneHot = 2 ** 22;

/** y has the shape of the indices; y[..., j, ...] = x[..., indices[..., j, ...], ...] along one axis. */
const GatherElements: GradientRule = ({ b, node, attributes, inputs: [x, indices], dy: [dy], opset }) => {
  requireAdding(node, opset);
  const axis = int(attributeInt(attributes, "axis", 0));
  const zeros = zerosLike(b, x!.shape, dy!);
  return [b.op("ScatterElements", [zeros, indices, dy], { axis, reduction: string("add") })];
};

/**
 * The last axis of the indices holds a position in x's leading axes: y[j] = x[indices[j]], a number or a slice. With batch_dims = n the first n axes
 * are shared, y[b, j] = x[b, indices[b, j]]. With the leading axes as one, the position is one number, position times strides, and the
 * gradient that of a Gather of rows.
 */
const GatherND: GradientRule = ({ b, attributes, inputs: [x, indices], dy: [dy] }) => {
  const batchAxes = attributeInt(attributes, "batch_dims", 0);
  const indexed = batchAxes + indices!.shape.at(-1)!;
  const [leading, slice] = [x!.shape.slice(0, indexed), x!.shape.slice(indexed)];
  const [count, size, width] = [elementCount(indices!.shape.slice(0, -1)), elementCount(leading), elementCount(slice)];
  const strides = leading.map((_, axis) => elementCount(leading.slice(axis + 1)));

  const negative = b.op("Less", [indices, b.int64([0])]);
  const front = b.where(negative, b.plus(indices!, b.int64(leading.slice(batchAxes))), indices!);
  const within = b.sum(b.times(front, b.int64(strides.slice(batchAxes))), [-1], true);
  // Positions run through the batches in order, the same number in each.
  const batches = elementCount(leading.slice(0, batchAxes));
  const starts = Array.from({ length: batches }, (_, batch) => batch * (size / batches));
  const rows = b.plus(b.reshape(within, [batches, count / batches]), b.reshape(b.int64(starts), [batches, 1]));
  return [b.reshape(addedRows(b, b.reshape(dy!, [count, width]), rows, size), x!.shape)];
};

/**
 * y = x with updates written at the indices (reduction none) or added there (add, since opset 16): dupdates is read from dy at the indices, and
 * dx = dy, with zeros where x was overwritten. Indices that repeat are only defined for add.
 */
const ScatterElements: GradientRule = ({ b, node, attributes, inputs: [, indices, updates], dy: [dy], wants }) => {
  const axis = int(attributeInt(attributes, "axis", 0));
  const adds = addsUp(node);
  const zeros = () => zerosLike(b, updates!.shape, dy!);
  const dx = wants(0) ? (adds ? dy : b.op("ScatterElements", [dy, indices, zeros()], { axis })) : undefined;
  return [dx, undefined, wants(2) ? b.op("GatherElements", [dy, indices], { axis }) : undefined];
};

/** As ScatterElements, with whole slices. */
const ScatterND: GradientRule = ({ b, node, inputs: [, indices, updates], dy: [dy], wants }) => {
  const adds = addsUp(node);
  const zeros = () => zerosLike(b, updates!.shape, dy!);
  const dx = wants(0) ? (adds ? dy : b.op("ScatterND", [dy, indices, zeros()])) : undefined;
  return [dx, undefined, wants(2) ? b.op("GatherND", [dy, indices]) : undefined];
};

/** The k largest elements along an axis, read at places that differ: dy goes back there, zeros to the others. */
const TopK: GradientRule = ({ b, attributes, inputs: [x], outputs: [, indices], dy: [dy] }) => {
  const axis = int(attributeInt(attributes, "axis", -1));
  return [b.op("ScatterElements", [zerosLike(b, x!.shape, dy!), indices, dy], { axis })];
};

/** y has x's elements at the places that the indices name in y laid out as a row, and zeros elsewhere: dx is read there. */
const MaxUnpool: GradientRule = ({ b, inputs: [, indices], dy: [dy] }) => [
  b.op("Gather", [b.reshape(dy!, [elementCount(dy!.shape)]), indices]),
];

/** y = hot ? on : off of values [off, on], hot where the index along the new axis is the one named: dvalues = [sum of dy elsewhere, sum of dy where hot]. */
const OneHot: GradientRule = ({ b, attributes, inputs: [indices, depth, values], dy: [dy], wants }) => {
  if (!wants(2)) return [];
  const offOn = b.constant({ dtype: "float32", shape: [2], data: Float32Array.of(0, 1) }, "offOn");
  const axis = int(attributeInt(attributes, "axis", -1));
  const hot = b.cast(b.op("OneHot", [indices, depth, offOn], { axis }), values!.dtype);
  const on = b.reshape(b.sum(b.times(dy!, hot)), [1]);
  const all = b.reshape(b.sum(dy!), [1]);
  return [undefined, undefined, b.op("Concat", [b.minus(all, on), on], { axis: int(0) })];
};

/** y has the first n_i elements of sequence i in reverse and the rest as they were; turned again they are as before. */
const ReverseSequence: GradientRule = ({ b, attributes, inputs: [, lengths], dy: [dy] }) => [
  b.op("ReverseSequence", [dy!, lengths], attributes),
];

function addsUp(node: Node): boolean {
  const reduction = attributeString(node.attributes, "reduction", "none");
  if (reduction === "none" || reduction === "add") return reduction === "add";
  throw unsupported(node, `reduction is ${reduction}`, "Use reduction none or add");
}

function requireAdding(node: Node, opset: number): void {
  if (opset < 16)
    throw unsupported(
      node,
      `the model's opset is ${opset}, scatters add since 16`,
      "Export the model with opset 16 or later",
    );
}

registerGradient("Gather", Gather);
registerGradient("GatherElements", GatherElements);
registerGradient("GatherND", GatherND);
registerGradient("ScatterElements", ScatterElements);
registerGradient("ScatterND", ScatterND);
registerGradient("TopK", TopK);
registerGradient("MaxUnpool", MaxUnpool);
registerGradient("OneHot", OneHot);
registerGradient("ReverseSequence", ReverseSequence);
