import { constantLike } from "../constantLike.js";
import { type GradientRule, registerGradient } from "../registry.js";
import { constantNumbers, unsupported } from "./operands.js";

/**
 * In inference y = x. In training y = x mask / (1 - ratio), so dx = dy mask / (1 - ratio) with the same random mask: the node must give it as its
 * second output. Training is asked for by the third input since opset 12; older nodes are always in inference.
 */
const Dropout: GradientRule = ({ b, node, inputs: [, ratioInput, training], outputs: [, mask], dy: [dy], opset }) => {
  if (opset < 12 || !training) return [dy];
  const mode = constantNumbers(training)?.[0];
  const ratio = ratioInput ? constantNumbers(ratioInput)?.[0] : 0.5;
  if (mode === undefined || ratio === undefined)
    throw unsupported(node, "training mode or ratio is not constant", "Make both initializers");
  if (mode === 0 || ratio === 0) return [dy];
  if (!mask) throw unsupported(node, "it trains and does not give its mask", "Give the node its second output");
  const scaled = b.times(dy!, constantLike(b, 1 / (1 - ratio), dy!));
  return [b.times(scaled, b.cast(mask, dy!.dtype))];
};

registerGradient("Dropout", Dropout);
