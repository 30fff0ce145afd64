import { attributeInt, type Value } from "../../graph/index.js";
import { type GradientContext, type GradientRule, registerGradient } from "../registry.js";
import { frontAxis } from "./operands.js";

/** y_i = e^(x_i) / sum_k e^(x_k): dy_i/dx_j = y_i ([i = j] - y_j), so dx = y (dy - sum(dy y)). */
const Softmax: GradientRule = (context) => {
  const { b, outputs, dy } = context;
  const [y, gradient] = [outputs[0]!, dy[0]!];
  const weighted = b.sum(b.times(gradient, y), normalizedAxes(context, y), true);
  return [b.times(y, b.minus(gradient, weighted))];
};

/** y = x - ln sum_k e^(x_k): dy_i/dx_j = [i = j] - e^(y_j), so dx = dy - e^y sum(dy). */
const LogSoftmax: GradientRule = (context) => {
  const { b, outputs, dy } = context;
  const [y, gradient] = [outputs[0]!, dy[0]!];
  return [b.minus(gradient, b.times(b.exp(y), b.sum(gradient, normalizedAxes(context, y), true)))];
};

/**
 * The axes whose elements sum to one. Since opset 13 the one that `axis` names (-1 by default); before, x was flattened to a matrix
 * at `axis` (1 by default) and each row normalised, which are all axes from there on.
 */
function normalizedAxes({ attributes, opset }: GradientContext, y: Value): readonly number[] {
  const rank = y.shape.length;
  const axis = frontAxis(attributeInt(attributes, "axis", opset >= 13 ? -1 : 1), rank);
  return opset >= 13 ? [axis] : y.shape.map((_, index) => index).slice(axis);
}

registerGradient("Softmax", Softmax);
registerGradient("LogSoftmax", LogSoftmax);
