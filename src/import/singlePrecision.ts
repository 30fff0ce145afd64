import { attributeDataType } from "../graph/index.js";
import {
  type Attribute,
  type DataType,
  fromBfloat16,
  fromFloat16,
  type Graph,
  int,
  type Model,
  type Node,
  onnxDataType,
  type Tensor,
  type ValueInfo,
} from "../onnx/index.js";

/**
 * The model with every float16, bfloat16 and float64 value as float32: training needs more than half precision has, and ONNX Runtime has few kernels
 * for the others.
 */
export function inSinglePrecision(model: Model): Model {
  return { ...model, graph: convertGraph(model.graph) };
}

function convertGraph(graph: Graph): Graph {
  return {
    ...graph,
    nodes: graph.nodes.map(convertNode),
    inputs: graph.inputs.map(convertInfo),
    outputs: graph.outputs.map(convertInfo),
    valueInfo: graph.valueInfo.map(convertInfo),
    initializers: new Map([...graph.initializers].map(([name, tensor]) => [name, convertTensor(tensor)] as const)),
  };
}

const isOtherFloat = (dtype: DataType | undefined): boolean =>
  dtype === "float16" || dtype === "bfloat16" || dtype === "float64";

const convertInfo = (info: ValueInfo): ValueInfo => (isOtherFloat(info.dtype) ? { ...info, dtype: "float32" } : info);

function convertNode(node: Node): Node {
  const attributes = Object.fromEntries(
    Object.entries(node.attributes).map(([name, attribute]) => [name, convertAttribute(attribute)] as const),
  );
  // Cast's target; the type of what RandomNormal and the like make.
  for (const name of ["to", "dtype"])
    if (attributes[name]?.kind === "int" && isOtherFloat(attributeDataType(attributes, name)))
      attributes[name] = int(onnxDataType.float32);
  return { ...node, attributes };
}

function convertAttribute(attribute: Attribute): Attribute {
  switch (attribute.kind) {
    case "tensor":
      return { kind: "tensor", value: convertTensor(attribute.value) };
    case "tensors":
      return { kind: "tensors", value: attribute.value.map(convertTensor) };
    case "graph":
      return { kind: "graph", value: convertGraph(attribute.value) };
    case "graphs":
      return { kind: "graphs", value: attribute.value.map(convertGraph) };
    default:
      return attribute;
  }
}

function convertTensor(tensor: Tensor): Tensor {
  const { shape } = tensor;
  switch (tensor.dtype) {
    case "float16":
      return { dtype: "float32", shape, data: fromFloat16(tensor.data) };
    case "bfloat16":
      return { dtype: "float32", shape, data: fromBfloat16(tensor.data) };
    case "float64":
      return { dtype: "float32", shape, data: Float32Array.from(tensor.data) };
    default:
      return tensor;
  }
}
