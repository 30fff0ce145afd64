import type { GraphBuilder, Value } from "../graph/index.js";
import type { Attributes, Node } from "../onnx/types.js";

export type Target = "cpu" | "webgpu";

/** What a recipe sees of an abstract node (domain `isonorm`). */
export interface RecipeContext {
  /** The lowered graph under construction. */
  readonly b: GraphBuilder;
  readonly node: Node;
  readonly attributes: Attributes;
  /** The node's inputs in the lowered graph; undefined where an optional input is absent. */
  readonly inputs: readonly (Value | undefined)[];
  /** The types that the abstract node's outputs have. */
  readonly outputs: readonly Value[];
  /** Whether anything reads that output. */
  needs(output: number): boolean;
}

/** Computes an abstract node's outputs with ONNX operators, in order; undefined where an output is not needed. */
export type Recipe = (context: RecipeContext) => readonly (Value | undefined)[];

/** The operators that are fast on one target: a recipe for each abstract operator, by its name. */
export type RecipeSet = ReadonlyMap<string, Recipe>;

/** What a substitute sees of an ONNX operator (domain ai.onnx) that is slow or missing on a target. */
export interface SubstituteContext {
  readonly b: GraphBuilder;
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: Attributes;
  /** Operator-set version of the graph. */
  readonly opset: number;
}

/** Computes an ONNX operator's outputs with others; undefined where the operator is to stay. */
export type Substitute = (context: SubstituteContext) => Value | readonly Value[] | undefined;
