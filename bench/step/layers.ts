import type { Graph, Node } from "../../src/onnx/index.js";

/** `runtime`: what ONNX Runtime put in itself. */
export type Phase = "input" | "forward" | "loss" | "gradient" | "update" | "runtime";
export const phases: readonly Phase[] = ["input", "forward", "loss", "gradient", "update", "runtime"];

/** What a node of a training step is there for. */
export interface Place {
  readonly phase: Phase;
  /** Name of the model's layer; "" where the node belongs to none. */
  readonly layer: string;
}

const scopes: Readonly<Record<string, Phase>> = {
  input: "input",
  model: "forward",
  loss: "loss",
  gradient: "gradient",
  update: "update",
  state: "update",
};

/**
 * Finds the place of a training step's node by its name (`compileStep` says how they are named). The layers are the model's nodes that carry a name of their own;
 * one that is only named after its operator, such as an activation, belongs to the layer that its first input comes from.
 */
export function placeNodes(model: Graph): (name: string) => Place {
  const layers = layersOf(model);
  const byLength = [...layers.keys()].sort((a, b) => b.length - a.length);
  const layerOf = (rest: string): string => {
    const found = byLength.find(
      (name) => rest === name || (rest.startsWith(name) && /^[/_]/.test(rest.slice(name.length))),
    );
    return found === undefined ? "" : layers.get(found)!;
  };
  const cache = new Map<string, Place>();
  return (name) => {
    let place = cache.get(name);
    if (!place) {
      const scope = /^(\w+)\//.exec(name)?.[1] ?? "";
      const rest = name.slice(scope.length + 1).replace(/^(model|loss)\//, "");
      place = { phase: scopes[scope] ?? "runtime", layer: layerOf(rest) };
      cache.set(name, place);
    }
    return place;
  };
}

/** The layer of each of the model's nodes and of each weight, by name. */
function layersOf(model: Graph): ReadonlyMap<string, string> {
  const made = new Map<string, string>();
  const layers = new Map<string, string>();
  for (const node of model.nodes) {
    const first = node.inputs.map((name) => made.get(name)).find((layer) => layer !== undefined);
    const layer = isNamed(node) ? node.name : (first ?? node.name);
    for (const name of node.outputs) made.set(name, layer);
    if (node.name !== "" && !layers.has(node.name)) layers.set(node.name, layer);
    for (const name of node.inputs) if (model.initializers.has(name) && !layers.has(name)) layers.set(name, layer);
  }
  return layers;
}

function isNamed({ name, op }: Node): boolean {
  return name !== "" && !new RegExp(`^/?${op}(_\\d+)?$`).test(name);
}
