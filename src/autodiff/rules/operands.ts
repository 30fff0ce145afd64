import { IsonormError } from "../../errors.js";
import { operatorKey, type Value } from "../../graph/index.js";
import type { Node } from "../../onnx/types.js";

/** The numbers a value holds, where they are known before the graph runs. */
export function constantNumbers(value: Value | undefined): readonly number[] | undefined {
  const tensor = value?.constant;
  return tensor && tensor.dtype !== "string" ? Array.from(tensor.data, Number) : undefined;
}

/** The numbers an input holds. Throws ISO_AUTODIFF_NO_RULE where they are known only when the graph runs. */
export function requireConstant(node: Node, input: string, value: Value): readonly number[] {
  const numbers = constantNumbers(value);
  if (!numbers)
    throw unsupported(node, `its input ${input} (value ${value.name}) is not constant`, "Make it an initializer");
  return numbers;
}

/** ISO_AUTODIFF_NO_RULE: the operator has a rule, but not for this use of it. */
export function unsupported(node: Node, what: string, remedy: string): IsonormError {
  return new IsonormError(
    "ISO_AUTODIFF_NO_RULE",
    `no gradient for ${operatorKey(node.op, node.domain)} (node ${node.name || node.outputs[0]}): ${what}`,
    remedy,
  );
}

/** An axis counted from the front; ONNX counts negative ones from the back. */
export function frontAxis(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}
