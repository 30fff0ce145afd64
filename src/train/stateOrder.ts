import { type MatrixForm, shapeInBlocks, weightForms } from "../lowering/index.js";
import type { Graph, Model } from "../onnx/types.js";
import { nextName, type StateInput, type StateTensor } from "./state.js";
import type { WeightGroup } from "./weightGroups.js";

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
