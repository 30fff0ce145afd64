import { attributeInt } from "../../graph/index.js";
import type { Node, Tensor } from "../../onnx/types.js";
import type { Scales, Scaling } from "./scaling.js";

/** What a scaling rule sees of a node of which some input depends on W. No input is `unknown`, and not all are invariant. */
export interface ScalingContext {
  readonly node: Node;
  /** `Conv conv1`, for reasons. */
  readonly label: string;
  /** Absent inputs are `free`. */
  readonly inputs: readonly Scaling[];
  /** Whether the optional input is there. */
  has(input: number): boolean;
  rank(input: number): number | undefined;
  outputRank: number | undefined;
  /** Shape of any input, where it is known. The batch may be any number: only that it is the same everywhere counts. */
  dimensions(input: number): readonly number[] | undefined;
  /** The same of an output. */
  outputDimensions(output: number): readonly number[] | undefined;
  /** Shape of an input that is an initializer or a constant. */
  shape(input: number): readonly number[] | undefined;
  /** Contents of an input that is an initializer or a constant. */
  constant(input: number): Tensor | undefined;
  /** The nodes that read the first output. */
  readonly consumers: readonly Node[];
  /** How batch normalisation nodes are regarded. */
  readonly batchNormalization: "training" | "inference";
}

/** The scaling of each output in order; one for all of them where it is not a list. */
export type ScalingRule = (context: ScalingContext) => Scaling | readonly Scaling[];

export function labelOf(node: Node): string {
  return `${node.op} ${node.name || node.outputs.find((name) => name !== "") || ""}`.trim();
}

/** The input as scaling, where it depends on W. */
export function scalesAt(c: ScalingContext, input: number): Scales | undefined {
  const scaling = c.inputs[input];
  return scaling?.kind === "scales" ? scaling : undefined;
}

/** The numbers of a one-dimensional integer input, or of the attribute that older operator sets have in its place. */
export function integers(c: ScalingContext, input: number, attribute?: string): readonly number[] | undefined {
  const tensor = c.constant(input);
  if (tensor && (tensor.dtype === "int64" || tensor.dtype === "int32")) return Array.from(tensor.data, Number);
  const stored = attribute === undefined ? undefined : c.node.attributes[attribute];
  if (stored?.kind === "ints") return stored.value;
  return stored?.kind === "int" ? [stored.value] : undefined;
}

/** The number that a constant input of one element holds. */
export function constantNumber(c: ScalingContext, input: number): number | undefined {
  const tensor = c.constant(input);
  if (tensor?.data.length !== 1 || tensor.dtype === "string") return undefined;
  return Number(tensor.data[0]);
}

/** An axis counted from the front; undefined where it is negative and the rank is not known. */
export function fromFront(axis: number, rank: number | undefined): number | undefined {
  return axis >= 0 ? axis : rank === undefined ? undefined : axis + rank;
}

/** The node's `axis` attribute counted from the front. */
export function axisAttribute(c: ScalingContext, fallback: number, rank = c.rank(0)): number | undefined {
  return fromFront(attributeInt(c.node.attributes, "axis", fallback), rank);
}
