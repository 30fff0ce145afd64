import type { GraphBuilder, Value } from "../../graph/index.js";
import { constantLike } from "../constantLike.js";

/** Where a = b, element by element. Equal takes floating-point numbers since opset 11; before, neither is less. */
export function equal(b: GraphBuilder, x: Value, y: Value): Value {
  if ((b.opsets.get("") ?? 1) >= 11) return b.op("Equal", [x, y]);
  return b.op("Not", [b.op("Or", [b.op("Less", [x, y]), b.op("Greater", [x, y])])]);
}

export function isZero(b: GraphBuilder, x: Value): Value {
  return equal(b, x, constantLike(b, 0, x));
}

/** x with 1 in place of 0: a divisor for where the quotient does not matter. */
export function nonZero(b: GraphBuilder, x: Value): Value {
  return b.where(isZero(b, x), constantLike(b, 1, x), x);
}
