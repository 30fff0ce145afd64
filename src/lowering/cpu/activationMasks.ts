import type { Value } from "../../graph/index.js";
import { float } from "../../onnx/types.js";
import type { RecipeContext } from "../recipe.js";

/**
 * dy times the mask y > 0. As y is Relu's output it is never negative, so the mask is min(1, 1e38 y), which HardSigmoid computes in one pass on all threads: 0.5 ms for [128, 16, 32, 32] on
 * one thread, where casts to bool and back take 0.7, Where 2.1 and Sign 2.8. Outputs below 1e-38, which float32 holds with fewer digits, count in part.
 */
export function reluByRamp({ b, inputs }: RecipeContext): readonly Value[] {
  const [dy, y] = inputs as [Value, Value];
  return [b.times(dy, b.op("HardSigmoid", [y], { alpha: float(1e38), beta: float(0) }))];
}

/** The mask as truth values, cast to numbers. */
export function reluByCast({ b, inputs }: RecipeContext): readonly Value[] {
  const [dy, y] = inputs as [Value, Value];
  return [b.times(dy, b.cast(b.cast(y, "bool"), dy.dtype))];
}

export function reluBySign({ b, inputs }: RecipeContext): readonly Value[] {
  const [dy, y] = inputs as [Value, Value];
  return [b.times(dy, b.op("Sign", [y]))];
}

export function reluByWhere({ b, inputs }: RecipeContext): readonly Value[] {
  const [dy, y] = inputs as [Value, Value];
  return [b.where(b.op("Greater", [y, b.scalar(0)]), dy, b.scalar(0))];
}

/**
 * dy times the mask y = x, which is 1 - 2^120 (y - x)^2, at least 0: where Clip changed x at all, it did so by more than 1e-18. Equal and the cast of its truth values to numbers, which ONNX Runtime does on one
 * thread, take three times as long.
 */
export function clipByRamp({ b, inputs }: RecipeContext): readonly Value[] {
  const [dy, x, y] = inputs as [Value, Value, Value];
  const mask = b.op("HardSigmoid", [b.square(b.minus(y, x))], { alpha: float(-(2 ** 120)), beta: float(1) });
  return [b.times(dy, mask)];
}

export function clipByCast({ b, inputs }: RecipeContext): readonly Value[] {
  const [dy, x, y] = inputs as [Value, Value, Value];
  return [b.times(dy, b.cast(b.op("Equal", [x, y]), dy.dtype))];
}
