import { elementCount } from "../../onnx/types.js";
import { reducedAxes, reducedShape } from "../infer/reductions.js";
import { type FoldRule, registerFold } from "../infer/registry.js";
import { broadcastIndices, fromIntegers, integersOf, isComputable, isIntegral } from "./tensor.js";

/** Reductions of integers, whose result does not depend on the order of the operations. */
const integerReduction =
  (start: bigint | undefined, combine: (a: bigint, b: bigint) => bigint): FoldRule =>
  (context) => {
    const [x] = context.constants;
    if (!isComputable(x) || !isIntegral(x.dtype)) return undefined;
    // Every element adds to the element of the result that its position, with size 1 on the reduced axes, broadcasts from.
    const elements = integersOf(x);
    const kept = reducedShape(x.shape, reducedAxes(context, context.inputs[0]!), true);
    const totals = new Array<bigint | undefined>(elementCount(kept)).fill(start);
    broadcastIndices(kept, x.shape).forEach((into, index) => {
      const element = elements[index]!;
      const total = totals[into];
      totals[into] = total === undefined ? element : combine(total, element);
    });
    if (!totals.every((total) => total !== undefined)) return undefined;
    return [fromIntegers(x.dtype, context.types[0]!.shape, totals)];
  };

registerFold(
  "ReduceProd",
  integerReduction(1n, (a, b) => a * b),
);
registerFold(
  "ReduceSum",
  integerReduction(0n, (a, b) => a + b),
);
for (const [op, better] of [
  ["ReduceMax", (a: bigint, b: bigint) => b > a],
  ["ReduceMin", (a: bigint, b: bigint) => b < a],
] as const)
  registerFold(
    op,
    integerReduction(undefined, (a, b) => (better(a, b) ? b : a)),
  );
