import { type GraphBuilder, pack, unpack, type Value } from "../graph/index.js";
import { elementCount } from "../onnx/types.js";
import { nextName, type StateInput, type StateTensor } from "./state.js";

/** State in the graph of a step: one tensor, or several that the step moves as one. */
export interface DeclaredState {
  readonly inputs: readonly StateInput[];
  /** A lone tensor as it is; several one behind the other: [elements of all]. */
  readonly whole: Value;
  /** Each tensor by itself, in its own shape. */
  readonly parts: readonly Value[];
}

/**
 * Adds the inputs of state that a step moves as one. Together its tensors are a single input, and {@link carryState} makes a single output: a tensor that passes between JavaScript and ONNX Runtime costs
 * as much as a node.
 *
 * @param name - of the input that several tensors share; a lone one keeps its own
 * @param tensors - at least one; all updated or none
 * @param together - false makes an input and an output of each tensor, for state that lies where a part of a buffer is no tensor: the graph then lays them side by side and takes them apart
 */
export function declareState(
  b: GraphBuilder,
  name: string,
  tensors: readonly StateTensor[],
  together: boolean,
): DeclaredState {
  const shapes = tensors.map(({ initial }) => initial.shape);
  const { updated } = tensors[0]!;
  if (together && tensors.length > 1) {
    const size = shapes.reduce((sum, shape) => sum + elementCount(shape), 0);
    const whole = b.input(b.freshName(name), "float32", [size]);
    return { inputs: [{ name: whole.name, shape: [size], updated, tensors }], whole, parts: unpack(b, whole, shapes) };
  }
  const parts = tensors.map((of) => b.input(of.name, "float32", of.initial.shape));
  const inputs = tensors.map((of) => ({ name: of.name, shape: of.initial.shape, updated, tensors: [of] }));
  return { inputs, whole: parts.length === 1 ? parts[0]! : pack(b, parts), parts };
}

/**
 * Adds the outputs that carry the state's new value over to the next step.
 *
 * @param next - shaped as `whole`
 */
export function carryState(b: GraphBuilder, { inputs }: DeclaredState, next: Value): void {
  const shapes = inputs.map(({ shape }) => shape);
  for (const [index, value] of unpack(b, next, shapes).entries()) b.output(nextName(inputs[index]!.name), value);
}
