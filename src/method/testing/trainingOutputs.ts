import { GraphBuilder, inline } from "../../graph/index.js";
import { float, type Graph, type Tensor } from "../../onnx/types.js";
import { expandScaleInvariantLinear } from "../index.js";
import { compile, type Outputs } from "./run.js";

const withEpsilon = new Set(["LayerNormalization", "InstanceNormalization", "GroupNormalization"]);

/**
 * What a network puts out with batch normalisation on the batch's statistics, as a function of its float32 initializers.
 * Its epsilons are taken to be `smallest`, so that all that stands between outputs and invariance is rounding.
 */
export async function trainingOutputs(
  graph: Graph,
  feeds: Readonly<Record<string, Tensor>>,
  smallest = 1e-12,
): Promise<(changed: Readonly<Record<string, Tensor>>) => Promise<Outputs>> {
  const b = new GraphBuilder();
  const bindings = new Map(
    graph.inputs.map((input) => [input.name, b.constant(feeds[input.name]!, `feed/${input.name}`)]),
  );
  const weights: Record<string, Tensor> = {};
  for (const [name, tensor] of graph.initializers)
    if (tensor.dtype === "float32") {
      bindings.set(name, b.input(name, "float32", tensor.shape));
      weights[name] = tensor;
    }
  const model = {
    graph: expandScaleInvariantLinear(graph),
    irVersion: 10,
    opsets: b.opsets,
    producerName: "test",
    producerVersion: "",
    metadata: new Map(),
  };
  const epsilon = float(smallest);
  const values = inline(b, model, bindings, {
    prefix: "net/",
    replace: (node, inputs) => {
      if (node.op === "BatchNormalization")
        return [b.abstract("BatchNormTraining", inputs.slice(0, 3), { epsilon })[0]!];
      if (withEpsilon.has(node.op))
        return [b.op(node.op, inputs, { ...node.attributes, epsilon }, { domain: node.domain })];
      return undefined;
    },
  });
  for (const { name } of graph.outputs) b.output(`${name}:out`, values.get(name)!);
  const run = await compile(b.finish("training"), b.opsets);
  return async (changed) => {
    const outputs = await run({ ...weights, ...changed });
    return Object.fromEntries(Object.entries(outputs).map(([name, data]) => [name.replace(":out", ""), data]));
  };
}
