import { type GradientRule, registerGradient } from "../registry.js";

/** Y = A^-1 of [..., n, n]: from dY = -Y dA Y follows dL/dA = -Y' (dL/dY) Y'. */
const Inverse: GradientRule = ({ b, outputs: [y], dy: [dy] }) => {
  const rank = y!.shape.length;
  const order = [...Array(rank).keys()];
  const transposed = b.transpose(y!, [...order.slice(0, -2), rank - 1, rank - 2]);
  return [b.negative(b.matMul(b.matMul(transposed, dy!), transposed))];
};
registerGradient("com.microsoft:Inverse", Inverse);
