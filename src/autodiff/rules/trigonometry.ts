import type { GraphBuilder, Value } from "../../graph/index.js";
import { constantLike } from "../constantLike.js";
import { type GradientRule, registerGradient } from "../registry.js";

// Circular and hyperbolic functions, y = f(x) element by element: dx = dy f'(x).

/** dx = dy f'(x), with f' given. */
const slope =
  (of: (b: GraphBuilder, x: Value, y: Value) => Value): GradientRule =>
  ({ b, inputs: [x], outputs: [y], dy: [dy] }) => [b.times(dy!, of(b, x!, y!))];

/** dx = dy / d(x), where the derivative is 1 / d. */
const quotient =
  (by: (b: GraphBuilder, x: Value) => Value): GradientRule =>
  ({ b, inputs: [x], dy: [dy] }) => [b.over(dy!, by(b, x!))];

const one = (b: GraphBuilder, x: Value) => constantLike(b, 1, x);

/** sin' = cos */
registerGradient(
  "Sin",
  slope((b, x) => b.op("Cos", [x])),
);
/** cos' = -sin */
registerGradient(
  "Cos",
  slope((b, x) => b.negative(b.op("Sin", [x]))),
);
/** tan' = 1 + tan^2 */
registerGradient(
  "Tan",
  slope((b, _, y) => b.plus(one(b, y), b.square(y))),
);
/** sinh' = cosh */
registerGradient(
  "Sinh",
  slope((b, x) => b.op("Cosh", [x])),
);
/** cosh' = sinh */
registerGradient(
  "Cosh",
  slope((b, x) => b.op("Sinh", [x])),
);
/** asin' = 1 / sqrt(1 - x^2) */
registerGradient(
  "Asin",
  quotient((b, x) => b.sqrt(b.minus(one(b, x), b.square(x)))),
);
/** acos' = -1 / sqrt(1 - x^2) */
registerGradient(
  "Acos",
  quotient((b, x) => b.negative(b.sqrt(b.minus(one(b, x), b.square(x))))),
);
/** atan' = 1 / (1 + x^2) */
registerGradient(
  "Atan",
  quotient((b, x) => b.plus(one(b, x), b.square(x))),
);
/** asinh' = 1 / sqrt(1 + x^2) */
registerGradient(
  "Asinh",
  quotient((b, x) => b.sqrt(b.plus(one(b, x), b.square(x)))),
);
/** acosh' = 1 / sqrt(x^2 - 1) */
registerGradient(
  "Acosh",
  quotient((b, x) => b.sqrt(b.minus(b.square(x), one(b, x)))),
);
/** atanh' = 1 / (1 - x^2) */
registerGradient(
  "Atanh",
  quotient((b, x) => b.minus(one(b, x), b.square(x))),
);
