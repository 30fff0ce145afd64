import { type GraphBuilder, operatorKey, type Value } from "../graph/index.js";
import type { Attributes, Node } from "../onnx/types.js";

/** What a gradient rule sees of a node of the forward pass. */
export interface GradientContext {
  /** Where the rule adds its nodes; it holds the whole forward pass, so every forward value may be used. */
  readonly b: GraphBuilder;
  readonly node: Node;
  readonly attributes: Attributes;
  /** The operator set of the node's domain. */
  readonly opset: number;
  /** The node's inputs in order; undefined where an optional input is absent. */
  readonly inputs: readonly (Value | undefined)[];
  readonly outputs: readonly Value[];
  /** dL/d(output), in order; undefined where the loss does not depend on that output. At least one is defined. */
  readonly dy: readonly (Value | undefined)[];
  /** Whether the gradient of that input is needed; a rule should not compute what is not. */
  wants(input: number): boolean;
}

/** dL/d(input) for each input, in order, each of its input's shape; undefined where it is zero or not wanted. */
export type GradientRule = (context: GradientContext) => readonly (Value | undefined)[];

const rules = new Map<string, GradientRule>();

export function registerGradient(key: string, rule: GradientRule): void {
  if (rules.has(key)) throw new Error(`a gradient rule for ${key} exists already`);
  rules.set(key, rule);
}

export function gradientRule(op: string, domain: string): GradientRule | undefined {
  return rules.get(operatorKey(op, domain));
}

/** All operators that have a rule, as keys. */
export function differentiableOperators(): readonly string[] {
  return [...rules.keys()].sort();
}
