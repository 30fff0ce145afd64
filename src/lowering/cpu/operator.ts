import type { Recipe } from "../recipe.js";
import type { BlockedContext, Placed } from "./blocked/layout.js";

/** A node as the choice of its recipe sees it: types, attributes, and which inputs are there in blocks already. */
export type NodeView = Pick<BlockedContext, "node" | "attributes" | "inputs" | "outputs" | "isBlocked" | "isPlain"> & {
  /** Channels in a block; undefined where nothing is computed in blocks. */
  readonly block: number | undefined;
};

interface AnyRecipe {
  /** Unique among the operator's; what tables of costs call it. */
  readonly name: string;
  /** Whether it can do the node; never true of a recipe in blocks where there are none. */
  fits(node: NodeView): boolean;
}

/** One way to compute a node on the processor. */
export type CpuRecipe = AnyRecipe &
  (
    | {
        /** `plain`: on tensors as ONNX holds them. `either`: element by element, on whichever form the inputs have. `any order`: on a tensor whose elements stand in any order, in any shape. */
        readonly form: "plain" | "either" | "any order";
        /** Undefined where the node stays as it is. */
        readonly build: Recipe | undefined;
      }
    | { readonly form: "blocked"; build(context: BlockedContext): readonly (Placed | undefined)[] }
  );

/** What decides how long a node takes. Numbers are positive. */
export interface Sizes {
  /** Nodes of different kinds tell nothing about each other. */
  readonly kind: string;
  readonly sizes: Readonly<Record<string, number>>;
  /** Operations, or elements: what time grows with, other things being equal. */
  readonly work: number;
}

/** An operator with all ways to compute it, for choosing, for measuring and for testing alike. */
export interface CpuOperator {
  /** As graphs have it; abstract ones without their domain. */
  readonly name: string;
  readonly recipes: readonly CpuRecipe[];
  /** Inputs, and whether the output too, that neighbours hold in blocks where there are blocks: recipes in the other form pay for the conversion. */
  readonly activations: { readonly inputs: readonly number[]; readonly output: boolean };
  sizes(node: NodeView): Sizes;
  /** Name of the recipe where nothing was measured; one that fits. */
  byRule(node: NodeView, fits: (name: string) => boolean): string;
}

/** An operator that is computed in one way only. */
export function single(name: string, build: Recipe): CpuOperator {
  const recipe: CpuRecipe = { name: "only", form: "plain", fits: () => true, build };
  const activations = { inputs: [], output: false };
  return { name, recipes: [recipe], activations, sizes: () => elementSizes(1), byRule: () => "only" };
}

/** Sizes of what is done element by element. */
export function elementSizes(elements: number, kind = ""): Sizes {
  return { kind, sizes: { elements }, work: elements };
}
