import { type MatrixForm, shapeInBlocks, weightForms } from "../lowering/index.js";
import type { Graph, Model } from "../onnx/types.js";
import { nextName, type StateInput, type StateTensor } from "./state.js";
import type { WeightGroup } from "./weightGroups.js";

/** The order in which a step holds a matrix of the state: in blocks, as `MatrixForm` says. */
export interface MatrixOrder {
  readonly form: MatrixForm;
  /** Rows or columns in a block. */
  readonly block: number;
}

/**
 * The state inputs of a step, of which the weights of linear layers, and what the optimizer keeps of them, are held in blocks where that spares putting them there in every step. Weights whose channels keep norms of
 * their own are not: these are sums along one axis.
 *
 * @param graph - of the step, before it is lowered
 */
export function holdInBlocks(
  graph: Graph,
  inputs: readonly StateInput[],
  groups: readonly WeightGroup[],
  { opsets, channelBlock: block }: { readonly opsets: Model["opsets"]; readonly channelBlock?: number | undefined },
): readonly StateInput[] {
  if (block === undefined) return inputs;
  const alone = groups.filter(({ weights }) => weights.length === 1 && weights[0]!.kept?.granularity !== "channel");
  const names = alone.map(({ name }) => name);
  const forms = weightForms(graph, opsets, names, block);
  return inputs.map((input) => {
    const [{ weight, role, initial }] = input.tensors as [StateTensor];
    const form = forms.get(weight);
    if (!form || role === "norm0") return input;
    return { ...input, shape: shapeInBlocks(initial.shape, form), order: { form, block } };
  });
}

/** The forms that a step's graph has its state in: of inputs, and of the outputs that carry it over. */
export function formsOf(inputs: readonly StateInput[]): ReadonlyMap<string, MatrixForm> {
  return new Map(
    inputs.flatMap(({ name, order }) =>
      order ? [name, nextName(name)].map((value) => [value, order.form] as const) : [],
    ),
  );
}

/** A matrix [R, C] put into that order. */
export function toOrder(data: Float32Array, shape: readonly number[], order: MatrixOrder): Float32Array {
  const ordered = new Float32Array(data.length);
  eachRun(shape, order, (plain, blocked, stride) => {
    for (let lane = 0; lane < order.block; lane++) ordered[blocked + lane] = data[plain + lane * stride]!;
  });
  return ordered;
}

/** A matrix in that order as it is outside of the step, [R, C]. */
export function fromOrder(ordered: Float32Array, shape: readonly number[], order: MatrixOrder): Float32Array {
  const data = new Float32Array(ordered.length);
  eachRun(shape, order, (plain, blocked, stride) => {
    for (let lane = 0; lane < order.block; lane++) data[plain + lane * stride] = ordered[blocked + lane]!;
  });
  return data;
}

/** For each run of a block's lanes: where its first element stands in the matrix, where in blocks, and how far apart its elements stand in the matrix. */
function eachRun(
  shape: readonly number[],
  { form, block }: MatrixOrder,
  visit: (plain: number, blocked: number, stride: number) => void,
): void {
  const [rows, columns] = shape as [number, number];
  const [lanes, positions] = form === "rows" ? [rows, columns] : [columns, rows];
  const [laneStride, positionStride] = form === "rows" ? [columns, 1] : [1, columns];
  let blocked = 0;
  for (let lane = 0; lane < lanes; lane += block)
    for (let position = 0; position < positions; position++, blocked += block)
      visit(lane * laneStride + position * positionStride, blocked, laneStride);
}
