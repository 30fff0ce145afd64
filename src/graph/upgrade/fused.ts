import { type Attributes, float, int, type Node } from "../../onnx/types.js";
import { attributeFloat, attributeFloats, attributeString } from "../attributes.js";
import { Composition } from "./composition.js";
import type { Rule, Surroundings } from "./rules.js";

// What ONNX Runtime's optimizer writes into the models that it saves, in domain com.microsoft, as the operators that were fused.

/** Names of the attributes that an activation's parameters are, in the order in which a fused node lists them. */
const activationParameters: Readonly<Record<string, readonly string[]>> = {
  Relu: [],
  Sigmoid: [],
  Tanh: [],
  Softplus: [],
  Softsign: [],
  HardSwish: [],
  Elu: ["alpha"],
  LeakyRelu: ["alpha"],
  ThresholdedRelu: ["alpha"],
  HardSigmoid: ["alpha", "beta"],
  Clip: ["min", "max"],
};

/** Conv(X, W, B) + Z, then the activation. */
const fusedConv: Rule = (node, surroundings) => {
  const parameters = attributeFloats(node.attributes, "activation_params") ?? [];
  const [x, w, bias = "", z] = node.inputs as [string, string, string?, string?];
  return withActivation(
    node,
    surroundings,
    ["activation", "activation_params"],
    parameters,
    (c, attributes, output) => {
      if (!z) return c.op("Conv", [x, w, bias], attributes, output);
      return c.op("Add", [c.op("Conv", [x, w, bias], attributes), z], {}, output);
    },
  );
};

/** Gemm, then the activation, whose parameters are attributes of their own. */
const fusedGemm: Rule = (node, surroundings) => {
  const names = ["alpha", "beta", "gamma"].map((name) => `activation_${name}`);
  const parameters = names.map((name) => attributeFloat(node.attributes, name));
  const known = parameters.slice(0, parameters.findLastIndex((value) => value !== undefined) + 1);
  return withActivation(node, surroundings, ["activation", ...names], known, (c, attributes, output) =>
    c.op("Gemm", node.inputs, attributes, output),
  );
};

function withActivation(
  node: Node,
  surroundings: Surroundings,
  own: readonly string[],
  parameters: readonly (number | undefined)[],
  linear: (c: Composition, attributes: Attributes, output?: string) => string,
): readonly Node[] | undefined {
  const attributes = Object.fromEntries(Object.entries(node.attributes).filter(([name]) => !own.includes(name)));
  const activation = attributeString(node.attributes, "activation", "");
  const c = new Composition(node, surroundings);
  if (activation === "") {
    linear(c, attributes, node.outputs[0]);
    return c.nodes;
  }
  const names = activationParameters[activation];
  if (!names || parameters.length > names.length) return undefined;
  const y = linear(c, attributes);
  if (activation === "Clip") {
    const bounds = names.map((name, index) => {
      const bound = parameters[index];
      return bound === undefined ? "" : c.scalar(name, bound);
    });
    c.op("Clip", [y, ...bounds], {}, node.outputs[0]);
    return c.nodes;
  }
  const given = names.flatMap((name, index) => {
    const value = parameters[index];
    return value === undefined ? [] : [[name, float(value)] as const];
  });
  c.op(activation, [y], Object.fromEntries(given), node.outputs[0]);
  return c.nodes;
}

/** LayerNormalization(input + skip + bias), or the normalisation without mean; the sum is an optional fourth output. */
const skipNormalization =
  (op: string, parameters: number): Rule =>
  (node, surroundings) => {
    const [input, skip, ...rest] = node.inputs as [string, string, ...string[]];
    const [y, mean = "", inverse = "", sum = ""] = node.outputs as [string, ...string[]];
    if (op !== "LayerNormalization" && mean) return undefined;
    const c = new Composition(node, surroundings);
    const bias = rest[parameters];
    const named = sum === "" ? undefined : sum;
    const added = bias
      ? c.op("Add", [c.op("Add", [input, skip]), bias], {}, named)
      : c.op("Add", [input, skip], {}, named);
    const attributes = { axis: int(-1), epsilon: float(attributeFloat(node.attributes, "epsilon", 1e-12)) };
    const statistics = op === "LayerNormalization" ? [mean, inverse] : [inverse];
    const outputs = [y, ...statistics];
    const used = outputs.slice(0, outputs.findLastIndex((name) => name !== "") + 1);
    c.several(op, [added, ...rest.slice(0, parameters)], attributes, used);
    return c.nodes;
  };

export const fusedRules: ReadonlyMap<string, Rule> = new Map([
  ["FusedConv", fusedConv],
  ["FusedGemm", fusedGemm],
  ["SkipLayerNormalization", skipNormalization("LayerNormalization", 2)],
  ["SkipSimplifiedLayerNormalization", skipNormalization("SimplifiedLayerNormalization", 1)],
]);
