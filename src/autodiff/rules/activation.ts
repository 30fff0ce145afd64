import { attributeFloat, attributeString, type GraphBuilder, type Value } from "../../graph/index.js";
import { constantLike } from "../constantLike.js";
import { type GradientRule, registerGradient } from "../registry.js";
import { unbroadcast } from "./broadcast.js";
import { equal } from "./comparison.js";

// Activations y = f(x), element by element: dx = dy f'(x). At points without a derivative f' is what PyTorch takes there.

/** y = max(x, 0): dx = dy where y > 0, else 0. Abstract, because the fast way to mask depends on the target. */
const Relu: GradientRule = ({ b, outputs: [y], dy: [dy] }) => b.abstract("ReluGrad", [dy!, y!]);

/** y = x > 0 ? x : alpha x: f' = x > 0 ? 1 : alpha. */
const LeakyRelu: GradientRule = ({ b, attributes, inputs: [x], dy: [dy] }) => {
  const alpha = attributeFloat(attributes, "alpha", 0.01);
  return [wherePositive(b, x!, dy!, b.times(constantLike(b, alpha, dy!), dy!))];
};

/** y = x > alpha ? x : 0: f' = x > alpha ? 1 : 0. */
const ThresholdedRelu: GradientRule = ({ b, attributes, inputs: [x], dy: [dy] }) => {
  const alpha = attributeFloat(attributes, "alpha", 1);
  return [b.where(b.op("Greater", [x!, constantLike(b, alpha, x!)]), dy!, constantLike(b, 0, dy!))];
};

/** y = x + bias below -lambd, x - bias above lambd, 0 between: f' = |x| > lambd ? 1 : 0. */
const Shrink: GradientRule = ({ b, attributes, inputs: [x], dy: [dy] }) => {
  const lambd = attributeFloat(attributes, "lambd", 0.5);
  return [b.where(b.op("Greater", [b.op("Abs", [x!]), constantLike(b, lambd, x!)]), dy!, constantLike(b, 0, dy!))];
};

/** y = x > 0 ? x : slope x, slope broadcast to x: dx = x > 0 ? dy : slope dy, dslope = x > 0 ? 0 : x dy. */
const PRelu: GradientRule = ({ b, inputs: [x, slope], dy: [dy], wants }) => [
  wants(0) ? wherePositive(b, x!, dy!, b.times(slope!, dy!)) : undefined,
  wants(1) ? unbroadcast(b, wherePositive(b, x!, constantLike(b, 0, x!), b.times(x!, dy!)), slope!.shape) : undefined,
];

/** y = x > 0 ? x : alpha (e^x - 1): f' = x > 0 ? 1 : alpha e^x = y + alpha. */
const Elu: GradientRule = ({ b, attributes, inputs: [x], outputs: [y], dy: [dy] }) => {
  const alpha = attributeFloat(attributes, "alpha", 1);
  return [wherePositive(b, x!, dy!, b.times(dy!, b.plus(y!, constantLike(b, alpha, y!))))];
};

/** y = gamma (x > 0 ? x : alpha (e^x - 1)): f' = x > 0 ? gamma : gamma alpha e^x = y + gamma alpha. */
const Selu: GradientRule = ({ b, attributes, inputs: [x], outputs: [y], dy: [dy] }) => {
  const alpha = attributeFloat(attributes, "alpha", 1.6732632423543772);
  const gamma = attributeFloat(attributes, "gamma", 1.0507009873554805);
  const slope = wherePositive(b, x!, constantLike(b, gamma, y!), b.plus(y!, constantLike(b, gamma * alpha, y!)));
  return [b.times(dy!, slope)];
};

/** y = x > 0 ? x : alpha (e^(x/alpha) - 1): f' = x > 0 ? 1 : e^(x/alpha) = y / alpha + 1. */
const Celu: GradientRule = ({ b, attributes, inputs: [x], outputs: [y], dy: [dy] }) => {
  const alpha = attributeFloat(attributes, "alpha", 1);
  const slope = b.plus(b.times(constantLike(b, 1 / alpha, y!), y!), constantLike(b, 1, y!));
  return [wherePositive(b, x!, dy!, b.times(dy!, slope))];
};

/**
 * y = min(max(x, low), high): f' = 1 where low <= x <= high, which is where y = x; else 0. The bounds belong to the inside, as for
 * PyTorch's clamp. dlow is the sum of dy where x < low (there y = low), dhigh where x > high.
 * The bounds are attributes before opset 11, scalar inputs since.
 */
const Clip: GradientRule = ({ b, inputs: [x, low, high], outputs: [y], dy: [dy], wants }) => {
  const total = (condition: Value) => b.sum(b.where(condition, dy!, constantLike(b, 0, dy!)));
  const bound = (value: Value, gradient: Value) => b.reshape(gradient, value.shape);
  return [
    wants(0) ? clipGrad(b, dy!, x!, y!) : undefined,
    wants(1) ? bound(low!, total(b.op("Less", [x!, low!]))) : undefined,
    wants(2) ? bound(high!, total(b.op("Greater", [x!, high!]))) : undefined,
  ];
};

/** dy where y = x, else 0. Abstract for float32, because the fast way to mask depends on the target. */
function clipGrad(b: GraphBuilder, dy: Value, x: Value, y: Value): Value {
  if (dy.dtype === "float32") return b.abstract("ClipGrad", [dy, x, y])[0]!;
  return b.times(dy, b.cast(equal(b, x, y), dy.dtype));
}

/** y = 1 / (1 + e^-x): f' = y (1 - y). */
const Sigmoid: GradientRule = ({ b, outputs: [y], dy: [dy] }) => [
  b.times(dy!, b.times(y!, b.minus(constantLike(b, 1, y!), y!))),
];

/** y = min(max(alpha x + beta, 0), 1): f' = alpha where 0 < y < 1, else 0. */
const HardSigmoid: GradientRule = ({ b, attributes, outputs: [y], dy: [dy] }) => {
  const alpha = attributeFloat(attributes, "alpha", 0.2);
  const [zero, one] = [constantLike(b, 0, y!), constantLike(b, 1, y!)];
  const inside = b.op("And", [b.op("Greater", [y!, zero]), b.op("Less", [y!, one])]);
  return [b.where(inside, b.times(constantLike(b, alpha, dy!), dy!), constantLike(b, 0, dy!))];
};

/** y = x min(max(x/6 + 1/2, 0), 1): f' = 0 for x <= -3, 1 for x >= 3, x/3 + 1/2 between. */
const HardSwish: GradientRule = ({ b, inputs: [x], dy: [dy] }) => {
  const number = (value: number) => constantLike(b, value, x!);
  const middle = b.plus(b.times(number(1 / 3), x!), number(0.5));
  const above = b.where(b.op("Less", [x!, number(3)]), middle, number(1));
  return [b.times(dy!, b.where(b.op("Greater", [x!, number(-3)]), above, number(0)))];
};

/** y = x s with s = sigmoid(alpha x): f' = s + alpha x s (1 - s) = s + alpha y (1 - s). */
const swish =
  (alphaByDefault: number): GradientRule =>
  ({ b, attributes, inputs: [x], outputs: [y], dy: [dy] }) => {
    const alpha = constantLike(b, attributeFloat(attributes, "alpha", alphaByDefault), x!);
    const s = b.op("Sigmoid", [b.times(alpha, x!)]);
    const slope = b.plus(s, b.times(b.times(alpha, y!), b.minus(constantLike(b, 1, s), s)));
    return [b.times(dy!, slope)];
  };

/** y = tanh x: f' = 1 - y^2. */
const Tanh: GradientRule = ({ b, outputs: [y], dy: [dy] }) => [
  b.times(dy!, b.minus(constantLike(b, 1, y!), b.square(y!))),
];

/** y = erf x: f' = 2 / sqrt(pi) e^(-x^2). */
const Erf: GradientRule = ({ b, inputs: [x], dy: [dy] }) => [
  b.times(dy!, b.times(constantLike(b, 2 / Math.sqrt(Math.PI), x!), b.exp(b.negative(b.square(x!))))),
];

/** Gelu's attribute `approximate` (opset 20): none or tanh. */
const Gelu: GradientRule = ({ b, attributes, inputs: [x], dy: [dy] }) => [
  b.times(dy!, attributeString(attributes, "approximate", "none") === "tanh" ? geluTanhSlope(b, x!) : geluSlope(b, x!)),
];

/** Gelu of x + bias, exact (com.microsoft:BiasGelu) or by tanh with an optional bias (com.microsoft:FastGelu). */
const biasGelu =
  (slope: (b: GraphBuilder, x: Value) => Value): GradientRule =>
  ({ b, inputs: [x, bias], dy: [dy], wants }) => {
    const dx = b.times(dy!, slope(b, bias ? b.plus(x!, bias) : x!));
    return [dx, bias && wants(1) ? unbroadcast(b, dx, bias.shape) : undefined];
  };

/** y = x F(x), F the normal distribution function (1 + erf(x / sqrt 2)) / 2: f' = F(x) + x e^(-x^2 / 2) / sqrt(2 pi). */
function geluSlope(b: GraphBuilder, x: Value): Value {
  const number = (value: number) => constantLike(b, value, x);
  const erf = b.op("Erf", [b.times(number(Math.SQRT1_2), x)]);
  const distribution = b.times(number(0.5), b.plus(number(1), erf));
  const bell = b.exp(b.times(number(-0.5), b.square(x)));
  return b.plus(distribution, b.times(b.times(number(1 / Math.sqrt(2 * Math.PI)), x), bell));
}

/**
 * y = x (1 + t) / 2 with t = tanh u, u = k (x + c x^3), k = sqrt(2 / pi), c = 0.044715:
 * f' = (1 + t) / 2 + x (1 - t^2) u' / 2, u' = k (1 + 3 c x^2).
 */
function geluTanhSlope(b: GraphBuilder, x: Value): Value {
  const number = (value: number) => constantLike(b, value, x);
  const [k, c, one, half] = [Math.sqrt(2 / Math.PI), 0.044715, number(1), number(0.5)];
  const squared = b.square(x);
  const t = b.op("Tanh", [b.times(x, b.plus(number(k), b.times(number(k * c), squared)))]);
  const du = b.plus(number(k), b.times(number(3 * k * c), squared));
  const bend = b.times(b.times(x, b.minus(one, b.square(t))), du);
  return b.times(half, b.plus(b.plus(one, t), bend));
}

/** y = ln(1 + e^x): f' = sigmoid x. */
const Softplus: GradientRule = ({ b, inputs: [x], dy: [dy] }) => [b.times(dy!, b.op("Sigmoid", [x!]))];

/** y = x / (1 + |x|): f' = 1 / (1 + |x|)^2 = (1 - |y|)^2. */
const Softsign: GradientRule = ({ b, outputs: [y], dy: [dy] }) => [
  b.times(dy!, b.square(b.minus(constantLike(b, 1, y!), b.op("Abs", [y!])))),
];

/** y = x t with t = tanh(softplus x): f' = t + x (1 - t^2) sigmoid x. */
const Mish: GradientRule = ({ b, inputs: [x], dy: [dy] }) => {
  const t = b.op("Tanh", [b.op("Softplus", [x!])]);
  const bend = b.times(b.minus(constantLike(b, 1, t), b.square(t)), b.op("Sigmoid", [x!]));
  return [b.times(dy!, b.plus(t, b.times(x!, bend)))];
};

/** x > 0 ? positive : other, element by element. */
function wherePositive(b: GraphBuilder, x: Value, positive: Value, other: Value): Value {
  return b.where(b.op("Greater", [x, constantLike(b, 0, x)]), positive, other);
}

registerGradient("Relu", Relu);
registerGradient("LeakyRelu", LeakyRelu);
registerGradient("ThresholdedRelu", ThresholdedRelu);
registerGradient("Shrink", Shrink);
registerGradient("PRelu", PRelu);
registerGradient("Elu", Elu);
registerGradient("Selu", Selu);
registerGradient("Celu", Celu);
registerGradient("Clip", Clip);
registerGradient("Sigmoid", Sigmoid);
registerGradient("HardSigmoid", HardSigmoid);
registerGradient("HardSwish", HardSwish);
registerGradient("Swish", swish(1));
registerGradient("com.microsoft:QuickGelu", swish(1.702));
registerGradient("Tanh", Tanh);
registerGradient("Erf", Erf);
registerGradient("Gelu", Gelu);
registerGradient("com.microsoft:Gelu", ({ b, inputs: [x], dy: [dy] }) => [b.times(dy!, geluSlope(b, x!))]);
registerGradient("com.microsoft:BiasGelu", biasGelu(geluSlope));
registerGradient("com.microsoft:FastGelu", biasGelu(geluTanhSlope));
registerGradient("Softplus", Softplus);
registerGradient("Softsign", Softsign);
registerGradient("Mish", Mish);
