import type { DataType, Tensor } from "../../onnx/types.js";
import { attributeInt } from "../attributes.js";
import { type FoldContext, type FoldRule, registerFold } from "../infer/registry.js";
import {
  broadcastIndices,
  type ComputableTensor,
  concatenated,
  fromIntegers,
  fromNumbers,
  integersOf,
  isComputable,
  isIntegral,
  numbersOf,
  taken,
} from "./tensor.js";

/**
 * Operators whose result is exact, so that folding gives the bits that ONNX Runtime would: integer arithmetic, comparisons, and the float
 * operations that IEEE 754 rounds correctly. For float32 these are computed in double precision and then rounded to single, which gives
 * the same for + - * / and the square root, since 53 >= 2 * 24 + 2. Exp, Log, Pow and their like are not here.
 */

type Compute<T, R = T> = (...operands: readonly T[]) => R | undefined;

interface Computation {
  readonly numbers?: Compute<number>;
  /** Undefined where the operator has no integer form, or for one element that has no result (division by 0). */
  readonly integers?: Compute<bigint>;
}

/** Applies a computation to the broadcast inputs, all of one type. */
const elementwise =
  (compute: (context: FoldContext) => Computation): FoldRule =>
  (context) => {
    const { numbers, integers } = compute(context);
    const [type] = context.types;
    const operands = broadcastOperands(context);
    if (!operands || !type) return undefined;
    const { dtype } = operands[0]!;
    if (isIntegral(dtype)) {
      const results = integers && computeAll(operands, integersOf, integers);
      return results && [fromIntegers(dtype, type.shape, results)];
    }
    const results = numbers && computeAll(operands, numbersOf, numbers);
    const tensor = results && fromNumbers(dtype, type.shape, results);
    return tensor && [tensor];
  };

/** Compares two broadcast inputs of one type. */
const comparison =
  (holds: (a: number | bigint, b: number | bigint) => boolean): FoldRule =>
  (context) => {
    const operands = broadcastOperands(context);
    if (operands?.length !== 2) return undefined;
    const [a, b] = operands as [ComputableTensor, ComputableTensor];
    const [left, right] = isIntegral(a.dtype) ? [integersOf(a), integersOf(b)] : [numbersOf(a), numbersOf(b)];
    const results = left.map((value, index) => (holds(value, right[index]!) ? 1 : 0));
    return [{ dtype: "bool", shape: context.types[0]!.shape, data: Uint8Array.from(results) }];
  };

function broadcastOperands(context: FoldContext): readonly ComputableTensor[] | undefined {
  const { shape } = context.types[0]!;
  const operands = context.constants.map(
    (tensor) => tensor && taken(tensor, shape, broadcastIndices(tensor.shape, shape)),
  );
  return operands.every(isComputable) ? operands : undefined;
}

/** Undefined as soon as one element has no result. */
function computeAll<T, R>(
  tensors: readonly ComputableTensor[],
  read: (tensor: ComputableTensor) => readonly T[],
  compute: Compute<T, R>,
): readonly R[] | undefined {
  const columns = tensors.map(read);
  const results = columns[0]!.map((_, index) => compute(...columns.map((column) => column[index]!)));
  return results.every((result): result is Awaited<R> & NonNullable<R> => result !== undefined) ? results : undefined;
}

const binary = (numbers: (a: number, b: number) => number, integers: (a: bigint, b: bigint) => bigint | undefined) =>
  elementwise(() => ({ numbers: (a, b) => numbers(a!, b!), integers: (a, b) => integers(a!, b!) }));

registerFold(
  "Add",
  binary(
    (a, b) => a + b,
    (a, b) => a + b,
  ),
);
registerFold(
  "Sub",
  binary(
    (a, b) => a - b,
    (a, b) => a - b,
  ),
);
registerFold(
  "Mul",
  binary(
    (a, b) => a * b,
    (a, b) => a * b,
  ),
);
/** Integer division truncates, as bigint's does. */
registerFold(
  "Div",
  binary(
    (a, b) => a / b,
    (a, b) => (b === 0n ? undefined : a / b),
  ),
);

/** With fmod = 1 the result has the dividend's sign, as in C; otherwise the divisor's, as in Python, and only integers are allowed. */
registerFold(
  "Mod",
  elementwise(({ attributes }) => {
    const asInC = attributeInt(attributes, "fmod", 0) !== 0;
    return {
      ...(asInC && { numbers: (a, b) => a! % b! }),
      integers: (a, b) => {
        if (b === 0n) return undefined;
        const remainder = a! % b!;
        return !asInC && remainder !== 0n && remainder < 0n !== b! < 0n ? remainder + b! : remainder;
      },
    };
  }),
);

for (const [op, better] of [
  ["Min", (a: number | bigint, b: number | bigint) => b < a],
  ["Max", (a: number | bigint, b: number | bigint) => b > a],
] as const) {
  // NaN wins over every number, as in ONNX Runtime.
  const number = (a: number, b: number) => (Number.isNaN(b) || better(a, b) ? b : a);
  registerFold(
    op,
    elementwise(() => ({
      numbers: (...all) => all.reduce(number),
      integers: (...all) => all.reduce((a, b) => (better(a, b) ? b : a)),
    })),
  );
}

const unary = (numbers: (x: number) => number, integers?: (x: bigint) => bigint) =>
  elementwise(() => ({
    numbers: (x) => numbers(x!),
    ...(integers && { integers: (x) => integers(x!) }),
  }));

registerFold(
  "Neg",
  unary(
    (x) => -x,
    (x) => -x,
  ),
);
registerFold(
  "Abs",
  unary(Math.abs, (x) => (x < 0n ? -x : x)),
);
/** Which zero comes of -0, and what of NaN, is the kernel's own choice. */
registerFold(
  "Relu",
  elementwise(() => ({
    numbers: (x) => (Number.isNaN(x) || Object.is(x, -0) ? undefined : Math.max(x!, 0)),
    integers: (x) => (x! < 0n ? 0n : x!),
  })),
);
registerFold("Floor", unary(Math.floor));
registerFold("Ceil", unary(Math.ceil));
registerFold("Sqrt", unary(Math.sqrt));
registerFold(
  "Not",
  unary((x) => 1 - x),
);

registerFold(
  "And",
  binary(
    (a, b) => a & b,
    () => undefined,
  ),
);
registerFold(
  "Or",
  binary(
    (a, b) => a | b,
    () => undefined,
  ),
);

registerFold(
  "Equal",
  comparison((a, b) => a === b),
);
registerFold(
  "Less",
  comparison((a, b) => a < b),
);
registerFold(
  "LessOrEqual",
  comparison((a, b) => a <= b),
);
registerFold(
  "Greater",
  comparison((a, b) => a > b),
);
registerFold(
  "GreaterOrEqual",
  comparison((a, b) => a >= b),
);

registerFold("Where", ({ constants, types }) => {
  const { shape } = types[0]!;
  const [condition, a, b] = constants.map((tensor) => taken(tensor!, shape, broadcastIndices(tensor!.shape, shape)));
  const size = condition!.data.length;
  const both = concatenated([a!, b!]);
  const indices = Array.from({ length: size }, (_, index) => (condition!.data[index] ? index : index + size));
  return [taken(both, shape, indices)];
});

registerFold("Cast", (context) => cast(context.constants[0]!, context.types[0]!.dtype));
registerFold("CastLike", (context) => cast(context.constants[0]!, context.types[0]!.dtype));

/**
 * Between the types that folding computes with. Floats lose their fraction; one outside the integer type's range is left alone, since C++
 * does not define it. Integers beyond 2^53 are not rounded twice on their way to float32 either.
 */
function cast(tensor: Tensor, dtype: DataType): readonly Tensor[] | undefined {
  if (tensor.dtype === dtype) return [tensor];
  if (!isComputable(tensor)) return undefined;
  const { shape } = tensor;
  if (isIntegral(dtype)) {
    if (isIntegral(tensor.dtype)) return [fromIntegers(dtype, shape, integersOf(tensor))];
    const limit = dtype === "int64" ? 2 ** 63 : 2 ** 31;
    const numbers = numbersOf(tensor).map(Math.trunc);
    if (!numbers.every((value) => value >= -limit && value < limit)) return undefined;
    return [fromIntegers(dtype, shape, numbers.map(BigInt))];
  }
  const numbers = numbersOf(tensor);
  if (isIntegral(tensor.dtype) && !numbers.every(Number.isSafeInteger)) return undefined;
  const result = fromNumbers(dtype, shape, dtype === "bool" ? numbers.map((value) => (value === 0 ? 0 : 1)) : numbers);
  return result && [result];
}

/** start + i delta, for integers, and for floats where every sum is exact, since they may be added up in any order then. */
registerFold("Range", ({ constants, types }) => {
  const [start, , delta] = constants;
  const count = types[0]!.shape[0]!;
  if (!isComputable(start) || !isComputable(delta)) return undefined;
  const [from, by] = [Number(start.data[0]), Number(delta.data[0])];
  const numbers = Array.from({ length: count }, (_, index) => from + index * by);
  if (!numbers.every(Number.isSafeInteger) || !Number.isInteger(by)) return undefined;
  if (isIntegral(start.dtype)) return [fromIntegers(start.dtype, [count], numbers.map(BigInt))];
  if (start.dtype === "float32" && numbers.some((value) => Math.abs(value) > 2 ** 24)) return undefined;
  const result = fromNumbers(start.dtype, [count], numbers);
  return result && [result];
});
