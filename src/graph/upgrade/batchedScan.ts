import { IsonormError } from "../../errors.js";
import { type Graph, int, ints, type ValueInfo } from "../../onnx/types.js";
import { attributeInt, attributeInts } from "../attributes.js";
import type { Rule } from "./rules.js";

/**
 * Scan as operator set 8 had it alone: states [N, ...] and sequences [N, T, ...], the body sees one element of one example. So it is a Scan over the examples whose
 * body is today's Scan over the elements.
 *
 * @throws ISO_ONNX_UNSUPPORTED where examples have lengths of their own
 */
export const batchedScan: Rule = (node, surroundings) => {
  const [lengths = "", ...inputs] = node.inputs;
  if (lengths !== "")
    throw new IsonormError(
      "ISO_ONNX_UNSUPPORTED",
      `node ${node.name || node.outputs[0]} (Scan) has a length for each sequence, which only operator set 8 had`,
      "Export the model with operator set 9 or newer",
    );
  const count = attributeInt(node.attributes, "num_scan_inputs", 0);
  const directions = attributeInts(node.attributes, "directions");
  const fresh = (name: string): ValueInfo => ({
    name: surroundings.fresh(`${name}/example`),
    dtype: undefined,
    shape: undefined,
  });
  const example: Graph = {
    name: `${node.name || node.outputs[0]}/example`,
    nodes: [],
    inputs: inputs.map(fresh),
    outputs: node.outputs.map(fresh),
    initializers: new Map(),
    valueInfo: [],
  };
  const inner = {
    ...node,
    inputs: example.inputs.map(({ name }) => name),
    outputs: example.outputs.map(({ name }) => name),
    attributes: {
      num_scan_inputs: int(count),
      ...(directions && { scan_input_directions: ints(directions) }),
      ...(node.attributes.body && { body: node.attributes.body }),
    },
  };
  const body: Graph = { ...example, nodes: [inner] };
  return [
    { ...node, inputs, attributes: { num_scan_inputs: int(inputs.length), body: { kind: "graph", value: body } } },
  ];
};
