import { attributeFloat, attributeInt, type GraphBuilder, type Value } from "../../graph/index.js";
import { int } from "../../onnx/types.js";
import type { Substitute } from "../recipe.js";

/**
 * ONNX operators that the provider lacks or gets wrong (ONNX Runtime 1.30), written with operators that it has. Not here, and so on the CPU: IsNaN and IsInf, which a shader
 * may not be trusted with, as compilers may assume that every number is finite; and what is rare in networks that are trained.
 */
export const webgpuSubstitutes: ReadonlyMap<string, Substitute> = new Map<string, Substitute>([
  // log softmax(x) = x - max - log sum exp(x - max)
  [
    "LogSoftmax",
    ({ b, inputs: [x], attributes, opset }) => {
      if (opset < 13) return undefined;
      const axis = attributeInt(attributes, "axis", -1);
      const axes = [axis < 0 ? axis + x!.shape.length : axis];
      const below = b.minus(x!, b.reduce("ReduceMax", x!, axes, true));
      return b.minus(below, b.log(b.sum(b.exp(below), axes, true)));
    },
  ],
  // In inference form. The provider's is wrong for x [N, C], where channels stay before positions (ONNX Runtime 1.30).
  [
    "BatchNormalization",
    ({ b, inputs, attributes, opset }) => {
      if (opset < 9 || attributeInt(attributes, "training_mode", 0) !== 0) return undefined;
      const [x, scale, bias, mean, variance] = inputs as [Value, Value, Value, Value, Value];
      const perChannel = (of: Value) => b.reshape(of, [of.shape[0]!, ...x.shape.slice(2).map(() => 1)]);
      const deviation = b.sqrt(b.plus(variance, b.scalar(attributeFloat(attributes, "epsilon", 1e-5))));
      const centred = b.minus(x, perChannel(mean));
      return b.plus(b.times(centred, perChannel(b.over(scale, deviation))), perChannel(bias));
    },
  ],
  ["Sum", ({ b, inputs }) => total(b, inputs as readonly Value[])],
  ["Mean", ({ b, inputs }) => b.times(total(b, inputs as readonly Value[]), b.scalar(1 / inputs.length))],
  [
    "Sign",
    ({ b, inputs: [x] }) => {
      if (x!.dtype !== "float32") return undefined;
      const is = (comparison: "Greater" | "Less") => b.cast(b.op(comparison, [x!, b.scalar(0)]), "float32");
      return b.minus(is("Greater"), is("Less"));
    },
  ],
  // A program may write to a handful of tensors only.
  [
    "Split",
    ({ b, inputs: [x, sizes], attributes }) => {
      const lengths = sizes?.constant?.dtype === "int64" ? Array.from(sizes.constant.data, Number) : [];
      if (lengths.length <= 4) return undefined;
      const axis = b.int64([attributeInt(attributes, "axis", 0)]);
      let end = 0;
      return lengths.map((length) => {
        const begin = end;
        end += length;
        return b.op("Slice", [x!, b.int64([begin]), b.int64([end]), axis]);
      });
    },
  ],
  ["Softsign", ({ b, inputs: [x] }) => b.over(x!, b.plus(b.scalar(1), b.op("Abs", [x!])))],
  ["Or", ({ b, inputs: [x, y] }) => b.op("Not", [b.op("And", [b.op("Not", [x!]), b.op("Not", [y!])])])],
]);

/** Many numbers, such as the weights' norms, are laid side by side and summed at once; tensors are added one by one. */
function total(b: GraphBuilder, values: readonly Value[]): Value {
  if (values.length > 2 && values.every(({ shape }) => shape.length === 0)) {
    const row = b.op(
      "Concat",
      values.map((value) => b.reshape(value, [1])),
      { axis: int(0) },
    );
    return b.sum(row);
  }
  return values.slice(1).reduce((sum, value) => b.plus(sum, value), values[0]!);
}
