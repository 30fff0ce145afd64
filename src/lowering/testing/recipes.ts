import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { encode } from "../../onnx/index.js";
import type { Graph, Tensor } from "../../onnx/types.js";
import type { Costs } from "../cpu/index.js";
import { lower, opsetsOf } from "../index.js";

/** Costs by which every operator named takes that recipe, where it can do the node. */
export function forcing(recipe: string, channelBlock: number | undefined): Costs {
  return {
    channelBlock,
    milliseconds: (_, __, recipes) => new Map(recipes.map((name) => [name, name === recipe ? 1e-3 : 1])),
  };
}

/** Names of the recipes that can do the nodes of one operator in a graph. */
export function recipesOf(graph: Graph, operator: string, channelBlock: number | undefined): readonly string[] {
  const names = new Set<string>();
  const costs: Costs = {
    channelBlock,
    milliseconds: (asked, _, recipes) => {
      if (asked === operator) for (const name of recipes) names.add(name);
      return new Map();
    },
  };
  lower(graph, "cpu", { channelBlock, costs });
  // A single recipe needs no costs.
  return names.size > 0 ? [...names] : ["the only one"];
}

/** Lowers a graph for the CPU, runs it, and returns its outputs by name. */
export async function runLowered(
  graph: Graph,
  inputs: Readonly<Record<string, Tensor>>,
  options: { readonly channelBlock?: number | undefined; readonly costs?: Costs | undefined } = {},
): Promise<{ readonly graph: Graph; readonly outputs: Readonly<Record<string, Float32Array>> }> {
  const lowered = lower(graph, "cpu", options);
  const model = {
    graph: lowered,
    irVersion: 10,
    opsets: opsetsOf({
      opsets: new Map([
        ["", 21],
        ["com.microsoft", 1],
      ]),
      ...options,
    }),
    producerName: "isonorm",
    producerVersion: "",
    metadata: new Map(),
  };
  const session = await InferenceSession.create(encode(model), { intraOpNumThreads: 2, logSeverityLevel: 4 });
  const feeds = Object.entries(inputs).map(([name, { data, shape }]) => [
    name,
    new OrtTensor("float32", data as Float32Array, shape),
  ]);
  const results = await session.run(Object.fromEntries(feeds));
  await session.release();
  const outputs = graph.outputs.map(({ name }) => [name, results[name]!.data as Float32Array]);
  return { graph: lowered, outputs: Object.fromEntries(outputs) };
}
