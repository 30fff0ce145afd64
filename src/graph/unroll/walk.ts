import type { Attributes, Graph, Node, Tensor } from "../../onnx/types.js";
import type { Value } from "../value.js";

/** The body of a node, its nodes in an order in which they can run. */
export interface Body {
  readonly graph: Graph;
  /** Nodes of the body and of the graphs inside it: what a copy costs. */
  readonly cost: number;
}

/** What a rule for control flow, sequences and optional values sees of the walk through the model, and how it puts other nodes in place of its own. */
export interface Walk {
  /** A value's type, and its contents where they are constant; undefined where isonorm does not know them. */
  value(name: string): Value | undefined;
  /** The elements of a sequence; undefined where the name is of none, or of one whose making the model does not show. */
  sequence(name: string): readonly string[] | undefined;
  /** The graph of that attribute. Throws ISO_GRAPH_INVALID where the node lacks it. */
  body(node: Node, attribute: string): Body;
  /**
   * Copies a body's nodes under names of their own, and takes them up in turn.
   *
   * @param label - put before the copies' names
   * @param inputs - the values that the body's inputs stand for
   * @returns the values that its outputs stand for
   * @throws Unresolved once copies have become too many
   */
  copy(node: Node, body: Body, label: string, inputs: readonly string[]): readonly string[];
  /** Adds a node; returns its outputs, which get the names given or, for "", one of their own. */
  add(
    label: string,
    op: string,
    inputs: readonly string[],
    attributes: Attributes,
    outputs: readonly string[],
  ): readonly string[];
  constant(label: string, tensor: Tensor): string;
  /** Whoever reads `name` reads `source` instead. */
  alias(name: string, source: string): void;
  /** `name` is the sequence of those elements. */
  hold(name: string, elements: readonly string[]): void;
  /** Notes how often a node runs, or what it chooses: what must not depend on the size of the batch. */
  decide(node: Node, number: number): void;
  /** Counts nodes that are added, or as much work. Throws Unresolved where that is too much. */
  spend(node: Node, nodes: number): void;
  /** Throws Unresolved where so many more are too many, without counting them. */
  afford(node: Node, nodes: number): void;
}

/** Takes a node's place; throws Unresolved where it cannot. */
export type ControlRule = (node: Node, walk: Walk) => void;

/** Why a node stays as it is, in words that can follow "the model cannot be trained: ". */
export class Unresolved extends Error {
  override readonly name = "Unresolved";
}

export function labelOf({ name, op, outputs }: Node): string {
  return `node ${name || outputs.find((output) => output !== "")} (${op})`;
}

/** The first element of a constant of integers or truth values; undefined where it is not constant. */
export function constantNumber(walk: Walk, name: string): number | undefined {
  const constant = walk.value(name)?.constant;
  return constant && constant.dtype !== "string" && constant.data.length > 0 ? Number(constant.data[0]) : undefined;
}
