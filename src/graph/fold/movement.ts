import { elementCount, type Tensor } from "../../onnx/types.js";
import { attributeInt, attributeInts, attributeTensor } from "../attributes.js";
import { type FoldContext, type FoldRule, registerFold } from "../infer/registry.js";
import { sliceRanges } from "../infer/slicing.js";
import { broadcastIndices, concatenated, gatheredIndices, reshaped, rowMajorStrides, taken } from "./tensor.js";

/** Operators that only move elements: their result holds elements of the input, whatever the data type. */

for (const op of ["Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze"])
  registerFold(op, ({ constants, types }) => [reshaped(constants[0]!, types[0]!.shape)]);

/** The rule that takes, for each position of the result, one element of the first input. */
const moving =
  (source: (context: FoldContext) => readonly number[] | undefined): FoldRule =>
  (context) => {
    const indices = source(context);
    return indices && [taken(context.constants[0]!, context.types[0]!.shape, indices)];
  };

const firstShape = (context: FoldContext) => context.constants[0]!.shape;
const resultShape = (context: FoldContext) => context.types[0]!.shape;

registerFold(
  "Transpose",
  moving((context) => {
    const shape = firstShape(context);
    const strides = rowMajorStrides(shape);
    const permutation = attributeInts(context.attributes, "perm") ?? shape.map((_, axis) => axis).reverse();
    const steps = permutation.map((axis) => strides[axis < 0 ? axis + shape.length : axis]!);
    return gatheredIndices(resultShape(context), (at) => dot(at, steps));
  }),
);

registerFold(
  "Expand",
  moving((context) => broadcastIndices(firstShape(context), resultShape(context))),
);

registerFold(
  "Tile",
  moving((context) => {
    const shape = firstShape(context);
    const strides = rowMajorStrides(shape);
    return gatheredIndices(resultShape(context), (at) =>
      at.reduce((sum, position, axis) => sum + strides[axis]! * (position % shape[axis]!), 0),
    );
  }),
);

registerFold(
  "Slice",
  moving((context) => {
    const strides = rowMajorStrides(firstShape(context));
    const ranges = sliceRanges(context, context.inputs[0]!);
    return gatheredIndices(resultShape(context), (at) =>
      at.reduce(
        (sum, position, axis) => sum + strides[axis]! * (ranges[axis]!.start + position * ranges[axis]!.step),
        0,
      ),
    );
  }),
);

/** An index outside the axis is left for ONNX Runtime to report. */
registerFold(
  "Gather",
  moving((context) => {
    const shape = firstShape(context);
    const strides = rowMajorStrides(shape);
    const given = attributeInt(context.attributes, "axis", 0);
    const axis = given < 0 ? given + shape.length : given;
    const indices = context.constants[1]!;
    const chosen = Array.from(indices.data as ArrayLike<number | bigint>, Number).map((index) =>
      index < 0 ? index + shape[axis]! : index,
    );
    if (chosen.some((index) => index < 0 || index >= shape[axis]!)) return undefined;
    const indexStrides = rowMajorStrides(indices.shape);
    const indexRank = indices.shape.length;
    return gatheredIndices(resultShape(context), (at) => {
      const index = chosen[dot(at.slice(axis, axis + indexRank), indexStrides)]!;
      return dot([...at.slice(0, axis), index, ...at.slice(axis + indexRank)], strides);
    });
  }),
);

registerFold("Concat", (context) => {
  const shape = resultShape(context);
  const tensors = context.constants as readonly Tensor[];
  const given = attributeInt(context.attributes, "axis", 0);
  const axis = given < 0 ? given + shape.length : given;
  // The inputs lie one after another in one long row; each begins at `offset` there and at `from` on the axis.
  const row = concatenated(tensors);
  const parts = tensors.map((tensor, index) => ({
    from: tensors.slice(0, index).reduce((sum, before) => sum + before.shape[axis]!, 0),
    offset: tensors.slice(0, index).reduce((sum, before) => sum + elementCount(before.shape), 0),
    strides: rowMajorStrides(tensor.shape),
  }));
  const indices = gatheredIndices(shape, (at) => {
    const part = parts.findLast(({ from }) => from <= at[axis]!)!;
    return part.offset + dot(at.with(axis, at[axis]! - part.from), part.strides);
  });
  return [taken(row, shape, indices)];
});

registerFold("Split", (context) => {
  const shape = firstShape(context);
  const strides = rowMajorStrides(shape);
  const given = attributeInt(context.attributes, "axis", 0);
  const axis = given < 0 ? given + shape.length : given;
  let from = 0;
  return context.types.map((type) => {
    const start = from;
    from += type.shape[axis]!;
    const indices = gatheredIndices(type.shape, (at) => dot(at, strides) + start * strides[axis]!);
    return taken(context.constants[0]!, type.shape, indices);
  });
});

registerFold("ConstantOfShape", (context) => {
  const value: Tensor = attributeTensor(context.attributes, "value") ?? {
    dtype: "float32",
    shape: [1],
    data: Float32Array.of(0),
  };
  const { shape } = context.types[0]!;
  return [taken(value, shape, new Array<number>(elementCount(shape)).fill(0))];
});

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, index) => sum + value * b[index]!, 0);
}
