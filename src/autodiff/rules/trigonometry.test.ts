import { describeGradients } from "../testing/describeGradients.js";
import { type GradientCheck, randomTensor } from "../testing/finiteDifference.js";

const unary = (op: string, low: number, high: number, settings?: Partial<GradientCheck>): GradientCheck => ({
  inputs: [randomTensor([3, 4], { seed: 1, low, high })],
  build: (b, [x]) => b.op(op, [x]),
  ...settings,
});

describeGradients("circular functions", { Sin: unary("Sin", -4, 4), Cos: unary("Cos", -4, 4) });

/** They bend more than the step of float32 differences allows for; a smaller one is still far above rounding. */
const bent = (op: string, low: number, high: number) => unary(op, low, high, { step: 1 / 128 });

describeGradients(
  "circular and hyperbolic functions that ONNX Runtime has for float32 alone",
  {
    Tan: bent("Tan", -1, 1),
    Asin: bent("Asin", -0.8, 0.8),
    Acos: bent("Acos", -0.8, 0.8),
    Atan: bent("Atan", -4, 4),
    Sinh: bent("Sinh", -2, 2),
    Cosh: bent("Cosh", -2, 2),
    Asinh: bent("Asinh", -4, 4),
    Acosh: bent("Acosh", 1.5, 4),
    Atanh: bent("Atanh", -0.7, 0.7),
  },
  "float32",
);
