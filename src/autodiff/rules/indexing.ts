import { attributeInt, attributeString, type GraphBuilder, type Value } from "../../graph/index.js";
import { elementCount, int, type Node, string } from "../../onnx/types.js";
import { constantLike, zerosLike } from "../constantLike.js";
import { throughComposition } from "../differentiate.js";
import { type GradientContext, type GradientRule, registerGradient } from "../registry.js";
import { equal, isZero } from "./comparison.js";
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
    // ONNX Runtime has no OneHot of int32 to float32.
    const wide = b.cast(b.reshape(indices, [count]), "int64");
    const hot = b.op("OneHot", [wide, b.int64([size]), values], { axis: int(0) });
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
  const within = positions(b, indices!, leading.slice(batchAxes));
  // Positions run through the batches in order, the same number in each.
  const batches = elementCount(leading.slice(0, batchAxes));
  const starts = Array.from({ length: batches }, (_, batch) => batch * (size / batches));
  const rows = b.plus(b.reshape(within, [batches, count / batches]), b.reshape(b.int64(starts), [batches, 1]));
  return [b.reshape(addedRows(b, b.reshape(dy!, [count, width]), rows, size), x!.shape)];
};

/**
 * y = x with updates u put at the indices:
 *
 *   none      y = u there: du is read from dy at the indices, dx = dy with zeros there
 *   add       y = x + the u's of that place: du read from dy, dx = dy
 *   mul       y = x times the u's of that place: see `multiplied`
 *   max, min  y = the largest (smallest) of x and the u's of that place: dy goes to those that equal y, in equal parts, as for PyTorch's amax
 *
 * Indices that repeat are only defined where there is a reduction.
 */
const ScatterElements: GradientRule = (context) => {
  const { b, attributes, inputs, outputs, dy, wants } = context;
  const [x, indices, updates] = inputs as [Value, Value, Value];
  const axis = int(attributeInt(attributes, "axis", 0));
  const reduction = attributeString(attributes, "reduction", "none");
  const read = (from: Value) => b.op("GatherElements", [from, indices], { axis });
  const put = (on: Value, values: Value, by: string) =>
    b.op("ScatterElements", [on, indices, values], { axis, reduction: string(by) });
  if (reduction === "none" || reduction === "add") {
    const zeros = () => zerosLike(b, updates.shape, dy[0]!);
    const dx = () => (reduction === "add" ? dy[0]! : b.op("ScatterElements", [dy[0]!, indices, zeros()], { axis }));
    return [wants(0) ? dx() : undefined, undefined, wants(2) ? read(dy[0]!) : undefined];
  }
  if (reduction === "mul") return multiplied(context, read, put);
  const y = outputs[0]!;
  const [xWins, uWins] = [b.cast(equal(b, x, y), x.dtype), b.cast(equal(b, updates, read(y)), x.dtype)];
  const share = b.over(dy[0]!, put(xWins, uWins, "add"));
  return [b.times(share, xWins), undefined, b.times(read(share), uWins)];
};

/**
 * y = x p with p the product of the place's updates: dx = dy p, and du = dy x times the product of the others. That is 0 where another update of the place
 * is 0, and else p / u, with 1 put for a zero in both.
 */
function multiplied(
  { b, inputs, dy: [dy], wants }: GradientContext,
  read: (from: Value) => Value,
  put: (on: Value, values: Value, by: string) => Value,
): readonly (Value | undefined)[] {
  const [x, , updates] = inputs as [Value, Value, Value];
  const ones = b.expand(constantLike(b, 1, x), x.shape);
  const ofUpdates = () => {
    const zeros = isZero(b, updates);
    const counted = b.cast(zeros, x.dtype);
    const filled = b.where(zeros, constantLike(b, 1, x), updates);
    const others = b.over(read(put(ones, filled, "mul")), filled);
    const otherZeros = b.minus(read(put(zerosLike(b, x.shape, x), counted, "add")), counted);
    const product = b.where(isZero(b, otherZeros), others, constantLike(b, 0, x));
    return b.times(read(b.times(dy!, x)), product);
  };
  return [
    wants(0) ? b.times(dy!, put(ones, updates, "mul")) : undefined,
    undefined,
    wants(2) ? ofUpdates() : undefined,
  ];
}

/** As ScatterElements, with whole slices; with a product or extremum, as ScatterElements of the slices as rows. */
const ScatterND: GradientRule = ({ b, attributes, inputs, dy, wants }) => {
  const [x, indices, updates] = inputs as [Value, Value, Value];
  const reduction = attributeString(attributes, "reduction", "none");
  if (reduction === "none" || reduction === "add") {
    const zeros = () => zerosLike(b, updates.shape, dy[0]!);
    const dx = () => (reduction === "add" ? dy[0]! : b.op("ScatterND", [dy[0]!, indices, zeros()]));
    return [wants(0) ? dx() : undefined, undefined, wants(2) ? b.op("GatherND", [dy[0]!, indices]) : undefined];
  }
  const indexed = indices.shape.at(-1)!;
  const [size, width] = [elementCount(x.shape.slice(0, indexed)), elementCount(x.shape.slice(indexed))];
  const count = elementCount(indices.shape.slice(0, -1));
  const asRows = () => {
    const rows = b.expand(b.reshape(positions(b, indices, x.shape.slice(0, indexed)), [count, 1]), [count, width]);
    const [from, values] = [b.reshape(x, [size, width]), b.reshape(updates, [count, width])];
    const y = b.op("ScatterElements", [from, rows, values], { axis: int(0), reduction: string(reduction) });
    return [b.reshape(y, x.shape)];
  };
  const [dx, du] = throughComposition(b, asRows, dy, [x, updates]);
  return [wants(0) ? dx : undefined, undefined, wants(2) ? du : undefined];
};

/** [..., axes] to [...]: positions in those axes as one number, position times strides. */
function positions(b: GraphBuilder, indices: Value, axes: readonly number[]): Value {
  const strides = axes.map((_, axis) => elementCount(axes.slice(axis + 1)));
  const front = b.where(b.op("Less", [indices, b.int64([0])]), b.plus(indices, b.int64(axes)), indices);
  return b.sum(b.times(front, b.int64(strides)), [-1], false);
}

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
