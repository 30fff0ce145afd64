import { IsonormError } from "../../errors.js";
import { type Attributes, elementCount, type Node, type Tensor } from "../../onnx/types.js";
import { unknownForms } from "../upgrade/unknownForms.js";
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

/** What a folding rule sees of a node whose inputs are all constant. */
export interface FoldContext extends InferContext {
  /** The contents of the inputs, in order; undefined where an optional input is absent. */
  readonly constants: readonly (Tensor | undefined)[];
  /** The types of the outputs, as the shape rule gives them. */
  readonly types: readonly TensorType[];
}

/** The contents of a node's outputs, of the types in the context; undefined where ONNX Runtime's result cannot be foretold exactly. */
export type FoldRule = (context: FoldContext) => readonly Tensor[] | undefined;

/** Results with more elements are left to run time: folding is for shape arithmetic. */
export const foldLimit = 4096;

/** Of a tensor; 4 GiB of float32, more than any one value of a training step may take. */
const mostElements = 2 ** 30;

const rules = new Map<string, InferRule>();
const foldRules = new Map<string, FoldRule>();

/** Operators whose output's shape depends on the contents of their inputs. */
const dataDependent = new Set(["NonZero", "Unique", "Compress", "NonMaxSuppression"]);

/** `Conv` for ai.onnx, `domain:Op` elsewhere. */
export function operatorKey(op: string, domain: string): string {
  return domain === "" || domain === "ai.onnx" ? op : `${domain}:${op}`;
}

export function registerInference(key: string, rule: InferRule): void {
  if (rules.has(key)) throw new Error(`a shape rule for ${key} exists already`);
  rules.set(key, rule);
}

/** Registers how an operator with a shape rule is computed where its inputs are constant. */
export function registerFold(key: string, rule: FoldRule): void {
  if (foldRules.has(key)) throw new Error(`a folding rule for ${key} exists already`);
  foldRules.set(key, rule);
}

export function hasInference(op: string, domain: string): boolean {
  return rules.has(operatorKey(op, domain));
}

/** All operators that have a shape rule, as keys. */
export function inferableOperators(): readonly string[] {
  return [...rules.keys()].sort();
}

/**
 * The types of a node's outputs, with their contents where these follow from constant inputs.
 *
 * @throws ISO_GRAPH_SHAPE naming the node, its inputs and the rule they break; ISO_GRAPH_INVALID for an attribute of the wrong kind
 */
export function infer(context: InferContext): readonly TensorType[] {
  const { node } = context;
  const key = operatorKey(node.op, node.domain);
  const rule = rules.get(key);
  if (!rule) {
    const form = unknownForms[key];
    const why = dataDependent.has(key)
      ? "the output's shape depends on its input's contents"
      : form
        ? `this form of it is not known; not known are ${form}`
        : "there is no shape rule";
    throw new IsonormError(
      "ISO_GRAPH_SHAPE",
      `operator ${key} (node ${node.name || node.outputs[0]}) is not supported: ${why}`,
      "Replace the operator in the model, or report which model needs it",
    );
  }
  const types = namingNode(context, () => rule(context));
  for (const { shape } of types) {
    const elements = shape.reduce((product, size) => product * size, 1);
    if (elements > mostElements)
      throw new IsonormError(
        "ISO_GRAPH_SHAPE",
        `${key} (node ${node.name || node.outputs[0]}) makes a tensor of ${elements.toPrecision(3)} elements [${shape.join(", ")}]`,
        `Correct the model at that node: no tensor may have more than ${mostElements} elements`,
      );
  }
  return fold(context, types, foldRules.get(key));
}

function fold(context: InferContext, types: readonly TensorType[], rule: FoldRule | undefined): readonly TensorType[] {
  if (!rule || types.some((type) => type.constant || elementCount(type.shape) > foldLimit)) return types;
  if (context.inputs.length === 0 || context.inputs.some((value) => value && !value.constant)) return types;
  const constants = context.inputs.map((value) => value?.constant);
  const tensors = rule({ ...context, constants, types });
  return tensors ? types.map((type, index) => ({ ...type, constant: tensors[index]! })) : types;
}

/** An attribute of the wrong kind is noticed where the node is not known; its error gets the node's name here. */
function namingNode<T>({ node }: InferContext, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof IsonormError) || error.code !== "ISO_GRAPH_INVALID") throw error;
    const what = error.message.slice(0, -`. ${error.remedy}.`.length);
    throw new IsonormError(
      "ISO_GRAPH_INVALID",
      `${operatorKey(node.op, node.domain)} (node ${node.name || node.outputs[0]}): ${what}`,
      error.remedy,
      { cause: error },
    );
  }
}
