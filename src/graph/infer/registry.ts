import { IsonormError } from "../../errors.js";
import type { Attributes, Node } from "../../onnx/types.js";
import type { TensorType, Value } from "../value.js";

/** What a shape rule sees of a node. */
export interface InferContext {
  readonly node: Node;
  /** The node's inputs in order; undefined where an optional input is absent. */
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: Attributes;
  /** The operator set of the node's domain. */
  readonly opset: number;
}

/**
 * Types of a node's outputs, in order, from the types of its inputs.
 * Throws ISO_GRAPH_SHAPE where the inputs do not fit the operator.
 */
export type InferRule = (context: InferContext) => readonly TensorType[];

const rules = new Map<string, InferRule>();

/** `Conv` for ai.onnx, `domain:Op` elsewhere. */
export function operatorKey(op: string, domain: string): string {
  return domain === "" || domain === "ai.onnx" ? op : `${domain}:${op}`;
}

export function registerInference(key: string, rule: InferRule): void {
  if (rules.has(key)) throw new Error(`a shape rule for ${key} exists already`);
  rules.set(key, rule);
}

export function hasInference(op: string, domain: string): boolean {
  return rules.has(operatorKey(op, domain));
}

export function infer(context: InferContext): readonly TensorType[] {
  const { node } = context;
  const rule = rules.get(operatorKey(node.op, node.domain));
  if (!rule)
    throw new IsonormError(
      "ISO_GRAPH_SHAPE",
      `no shape rule for operator ${operatorKey(node.op, node.domain)} (node ${node.name || node.outputs[0]})`,
      "Replace the operator in the model, or report which model needs it",
    );
  return rule(context);
}
