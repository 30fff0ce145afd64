import type { GraphBuilder, Value } from "../../graph/index.js";
import { constantLike } from "../constantLike.js";
import { type GradientContext, type GradientRule, registerGradient } from "../registry.js";
import { unbroadcast } from "./broadcast.js";
import { equal, isZero } from "./comparison.js";
import { constantNumbers } from "./operands.js";

// Arithmetic, element by element. Operands broadcast (opset 7 on), so every gradient ends in `unbroadcast`.

/** y = a + b: da = dy, db = dy. */
const Add: GradientRule = ({ b, inputs: [a, c], dy: [dy], wants }) => [
  wants(0) ? unbroadcast(b, dy!, a!.shape) : undefined,
  wants(1) ? unbroadcast(b, dy!, c!.shape) : undefined,
];

/** y = a - b: da = dy, db = -dy. The sign is changed after the sum, where the tensor is smaller. */
const Sub: GradientRule = ({ b, inputs: [a, c], dy: [dy], wants }) => [
  wants(0) ? unbroadcast(b, dy!, a!.shape) : undefined,
  wants(1) ? b.negative(unbroadcast(b, dy!, c!.shape)) : undefined,
];

/** y = a b: da = dy b, db = dy a. */
const Mul: GradientRule = ({ b, inputs: [a, c], dy: [dy], wants }) => [
  wants(0) ? unbroadcast(b, b.times(dy!, c!), a!.shape) : undefined,
  wants(1) ? unbroadcast(b, b.times(dy!, a!), c!.shape) : undefined,
];

/** y = a / b: da = dy / b, db = -dy a / b^2 = -(dy / b) y. */
const Div: GradientRule = ({ b, inputs: [a, c], outputs: [y], dy: [dy], wants }) => {
  const quotient = b.over(dy!, c!);
  return [
    wants(0) ? unbroadcast(b, quotient, a!.shape) : undefined,
    wants(1) ? b.negative(unbroadcast(b, b.times(quotient, y!), c!.shape)) : undefined,
  ];
};

/**
 * y = x^p: dx = dy p x^(p-1), dp = dy y ln x.
 *
 * With a constant scalar exponent dx needs no power for the usual ones. Otherwise, as in PyTorch: dx = 0 where p = 0 (p x^(p-1) would be
 * 0 * infinity at x = 0), and dp = 0 where x = 0.
 * The exponent may have a type of its own from opset 12 on; the arithmetic is done in x's.
 */
const Pow: GradientRule = ({ b, inputs: [x, p], outputs: [y], dy: [dy], wants }) => {
  const exponent = constantNumbers(p);
  let dx: Value | undefined;
  if (wants(0)) {
    const slope =
      exponent?.length === 1 ? slopeOfPower(b, x!, exponent[0]!, y!) : slopeOfPowers(b, x!, b.cast(p!, x!.dtype));
    dx = slope && unbroadcast(b, b.times(dy!, slope), x!.shape);
  }
  if (!wants(1)) return [dx];
  const zero = constantLike(b, 0, x!);
  const derivative = b.where(isZero(b, x!), zero, b.times(y!, b.log(x!)));
  return [dx, b.cast(unbroadcast(b, b.times(dy!, derivative), p!.shape), p!.dtype)];
};

/** p x^(p-1) for one p; undefined where it is 0 everywhere. */
function slopeOfPower(b: GraphBuilder, x: Value, p: number, y: Value): Value | undefined {
  const scaled = (factor: number, value: Value) => b.times(constantLike(b, factor, x), value);
  if (p === 0) return undefined;
  if (p === 1) return constantLike(b, 1, x);
  if (p === 2) return scaled(2, x);
  if (p === 3) return scaled(3, b.square(x));
  if (p === 0.5) return b.over(constantLike(b, 0.5, x), y);
  if (p === -1) return scaled(-1, b.square(y));
  return scaled(p, b.op("Pow", [x, constantLike(b, p - 1, x)]));
}

function slopeOfPowers(b: GraphBuilder, x: Value, p: Value): Value {
  const [zero, one] = [constantLike(b, 0, x), constantLike(b, 1, x)];
  return b.where(isZero(b, p), zero, b.times(p, b.op("Pow", [x, b.minus(p, one)])));
}

/** y = -x: dx = -dy. */
const Neg: GradientRule = ({ b, dy: [dy] }) => [b.negative(dy!)];

/** y = x^(1/2): dx = dy / (2 y). */
const Sqrt: GradientRule = ({ b, outputs: [y], dy: [dy] }) => [b.over(b.times(constantLike(b, 0.5, y!), dy!), y!)];

/** y = 1 / x: dx = -dy / x^2 = -dy y^2. */
const Reciprocal: GradientRule = ({ b, outputs: [y], dy: [dy] }) => [b.negative(b.times(dy!, b.square(y!)))];

/** y = e^x: dx = dy y. */
const Exp: GradientRule = ({ b, outputs: [y], dy: [dy] }) => [b.times(dy!, y!)];

/** y = ln x: dx = dy / x. */
const Log: GradientRule = ({ b, inputs: [x], dy: [dy] }) => [b.over(dy!, x!)];

/** y = |x|: dx = dy sign x; 0 at 0. */
const Abs: GradientRule = ({ b, inputs: [x], dy: [dy] }) => [b.times(dy!, b.op("Sign", [x!]))];

/** y = x_1 + ... + x_n: dx_i = dy. */
const Sum: GradientRule = ({ b, inputs, dy: [dy], wants }) =>
  inputs.map((x, index) => (wants(index) ? unbroadcast(b, dy!, x!.shape) : undefined));

/** y = (x_1 + ... + x_n) / n: dx_i = dy / n. */
const Mean: GradientRule = ({ b, inputs, dy: [dy], wants }) => {
  const share = b.times(dy!, constantLike(b, 1 / inputs.length, dy!));
  return inputs.map((x, index) => (wants(index) ? unbroadcast(b, share, x!.shape) : undefined));
};

/**
 * y = max(x_1, ..., x_n), or min: dx_i = dy m_i / (m_1 + ... + m_n) with m_i = 1 where x_i = y, else 0.
 * Operands that tie share the gradient evenly, as in PyTorch's maximum.
 */
const extremum: GradientRule = ({ b, inputs, outputs: [y], dy: [dy], wants }) => {
  if (inputs.length === 1) return [dy];
  const masks = inputs.map((x) => b.cast(equal(b, x!, y!), y!.dtype));
  const share = b.over(dy!, b.op("Sum", masks));
  return inputs.map((x, index) => (wants(index) ? unbroadcast(b, b.times(share, masks[index]!), x!.shape) : undefined));
};

/** y = condition ? x : z: dx = condition ? dy : 0, dz = condition ? 0 : dy. */
const Where: GradientRule = ({ b, inputs: [condition, x, z], dy: [dy], wants }) => {
  const zero = constantLike(b, 0, dy!);
  return [
    undefined,
    wants(1) ? unbroadcast(b, b.where(condition!, dy!, zero), x!.shape) : undefined,
    wants(2) ? unbroadcast(b, b.where(condition!, zero, dy!), z!.shape) : undefined,
  ];
};

/** y = x: dx = dy. */
const Identity: GradientRule = ({ dy: [dy] }) => [dy];

/** Between floating-point types: dx = dy in x's type; dy as it is for a quantised number, whose gradient is a real one (see quantization.ts). */
const cast: GradientRule = ({ b, inputs: [x], dy: [dy] }) => [x!.dtype.includes("float") ? b.cast(dy!, x!.dtype) : dy];

/** y = a - b q with q = trunc(a / b), which is flat: da = dy, db = -dy q, q = (a - y) / b. */
const Mod: GradientRule = ({ b, inputs: [a, c], outputs: [y], dy: [dy], wants }) => [
  wants(0) ? unbroadcast(b, dy!, a!.shape) : undefined,
  wants(1)
    ? b.negative(unbroadcast(b, b.times(dy!, b.op("Round", [b.over(b.minus(a!, y!), c!)])), c!.shape))
    : undefined,
];

/** Steps are flat wherever they have a derivative; what takes only the shape of its input does not change with it. */
const flat: GradientRule = ({ inputs }: GradientContext) => inputs.map(() => undefined);

registerGradient("Add", Add);
registerGradient("Sub", Sub);
registerGradient("Mul", Mul);
registerGradient("Div", Div);
registerGradient("Pow", Pow);
registerGradient("Neg", Neg);
registerGradient("Sqrt", Sqrt);
registerGradient("Reciprocal", Reciprocal);
registerGradient("Exp", Exp);
registerGradient("Log", Log);
registerGradient("Abs", Abs);
registerGradient("Sum", Sum);
registerGradient("Mean", Mean);
registerGradient("Max", extremum);
registerGradient("Min", extremum);
registerGradient("Where", Where);
registerGradient("Identity", Identity);
registerGradient("Cast", cast);
registerGradient("CastLike", cast);
registerGradient("Mod", Mod);
for (const step of ["Floor", "Ceil", "Round", "Sign", "Hardmax"]) registerGradient(step, flat);
for (const alike of ["EyeLike", "RandomUniformLike", "RandomNormalLike"]) registerGradient(alike, flat);
