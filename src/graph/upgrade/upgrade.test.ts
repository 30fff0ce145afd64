import { describe, expect, it } from "vitest";
import { float, type Graph, int, type Model, type Node } from "../../onnx/types.js";
import { buildNode, f32, i64, i64Scalar, type NodeCase, numbers, runGraph, typed } from "../ortOracle.js";
import { inferGraph } from "../rewrite/index.js";
import { currentOpset, upgrade } from "./index.js";

function modelOf(graph: Graph, opset: number): Model {
  return {
    graph,
    irVersion: 10,
    opsets: new Map([["", opset]]),
    producerName: "",
    producerVersion: "",
    metadata: new Map(),
  };
}

/** The node's graph without any declared type but those of its inputs, of which the symbolic batch is withheld too. */
function bare(graph: Graph): Graph {
  const outputs = graph.outputs.map(({ name }) => ({ name, dtype: undefined, shape: undefined }));
  return { ...graph, outputs };
}

const x = f32(2, 3, 4);

describe("an upgraded node computes in ONNX Runtime what the old one did", () => {
  const cases: readonly NodeCase[] = [
    { op: "Squeeze", opset: 11, inputs: [f32(1, 3, 1)], attributes: { axes: [0] } },
    { op: "Squeeze", opset: 11, inputs: [f32(1, 3, 1)] },
    { op: "Unsqueeze", opset: 11, inputs: [x], attributes: { axes: [1] } },
    { op: "ReduceSum", opset: 11, inputs: [x], attributes: { axes: [1], keepdims: 0 } },
    { op: "ReduceSum", opset: 11, inputs: [x] },
    { op: "ReduceMean", opset: 17, inputs: [x], attributes: { axes: [-1] } },
    { op: "ReduceMax", opset: 13, inputs: [x], attributes: { axes: [0, 2], keepdims: 0 } },
    { op: "Split", opset: 11, inputs: [f32(6, 2)], attributes: { split: [2, 4] } },
    { op: "Split", opset: 13, inputs: [f32(6, 2)], outputs: 3 },
    { op: "Split", opset: 13, inputs: [f32(6, 2), i64(1, 5)] },
    { op: "Slice", opset: 9, inputs: [x], attributes: { starts: [1, 0], ends: [3, 1], axes: [2, 0] } },
    { op: "Slice", opset: 9, inputs: [x], attributes: { starts: [0, 1], ends: [1, 3] } },
    { op: "Pad", opset: 10, inputs: [f32(2, 3)], attributes: { pads: [0, 1, 2, 3], value: 0.5 } },
    { op: "Pad", opset: 10, inputs: [f32(2, 3)], attributes: { pads: [0, 1, 1, 1], mode: "reflect" } },
    { op: "Clip", opset: 10, inputs: [x], attributes: { min: 0.5, max: float(1) } },
    { op: "Clip", opset: 10, inputs: [x], attributes: { max: 0.75 } },
    { op: "Dropout", opset: 10, inputs: [x], attributes: { ratio: 0.25 } },
    { op: "TopK", opset: 9, inputs: [f32(2, 5)], attributes: { k: 2 } },
    { op: "Upsample", opset: 9, inputs: [f32(1, 1, 2, 3), numbers(1, 1, 2, 2)] },
    { op: "Upsample", opset: 9, inputs: [f32(1, 1, 3, 3), numbers(1, 1, 1.5, 2)], attributes: { mode: "linear" } },
    {
      op: "Upsample",
      opset: 7,
      inputs: [f32(1, 1, 2, 2)],
      attributes: { scales: { kind: "floats", value: [1, 1, 2, 3] } },
    },
    { op: "Resize", opset: 10, inputs: [f32(1, 1, 3, 3), numbers(1, 1, 1.7, 2)] },
    { op: "Resize", opset: 10, inputs: [f32(1, 1, 5, 5), numbers(1, 1, 0.6, 0.5)] },
    { op: "Resize", opset: 10, inputs: [f32(1, 1, 4, 4), numbers(1, 1, 2, 2)], attributes: { mode: "linear" } },
    { op: "Softmax", opset: 11, inputs: [x] },
    { op: "Softmax", opset: 11, inputs: [x], attributes: { axis: 2 } },
    { op: "Softmax", opset: 11, inputs: [f32(2, 5)] },
    { op: "LogSoftmax", opset: 12, inputs: [x], attributes: { axis: -2 } },
    { op: "LogSoftmax", opset: 12, inputs: [x], attributes: { axis: -1 } },
    { op: "Hardmax", opset: 11, inputs: [x], attributes: { axis: 0 } },
    { op: "GridSample", opset: 16, inputs: [f32(1, 2, 3, 3), f32(1, 2, 2, 2)] },
    { op: "GridSample", opset: 16, inputs: [f32(1, 2, 3, 3), f32(1, 2, 2, 2)], attributes: { mode: "bicubic" } },
    { op: "DFT", opset: 17, inputs: [f32(2, 6, 3, 1)] },
    { op: "DFT", opset: 17, inputs: [f32(2, 6, 3, 1), i64Scalar(4)], attributes: { axis: 2, onesided: 1 } },
    { op: "Scatter", opset: 10, inputs: [f32(3, 2), typed("int64", 1, 2), f32(1, 2)] },
    { op: "BatchNormalization", opset: 9, inputs: [x, f32(3), f32(3), f32(3), f32(3)] },
    {
      op: "GroupNormalization",
      opset: 18,
      inputs: [f32(2, 6, 5), f32(2), f32(2)],
      attributes: { num_groups: 2 },
    },
  ];
  it.each(cases.map((node) => [`${node.op}-${node.opset} ${JSON.stringify(node.attributes ?? {})}`, node] as const))(
    "%s",
    async (_, node) => {
      const { graph, b } = buildNode(node);
      const upgraded = upgrade(modelOf(bare(graph), node.opset!));
      expect(upgraded.opsets.get("")).toBe(currentOpset);
      const before = await runGraph(graph, b.opsets);
      const after = await runGraph(upgraded.graph, upgraded.opsets);
      after.forEach((tensor, index) => {
        expect([...tensor.dims]).toEqual([...before[index]!.dims]);
        const expected = [...(before[index]!.data as Float32Array)].map(Number);
        // Softmax and the normalisations may add up in another order: a few units in the last place of numbers near 1.
        [...(tensor.data as Float32Array)].map(Number).forEach((value, at) => {
          expect(value).toBeCloseTo(expected[at]!, 5);
        });
      });
      const values = inferGraph(upgraded.graph, upgraded.opsets);
      expect(graph.outputs.map(({ name }) => values.get(name)!.shape)).toEqual(before.map(({ dims }) => [...dims]));
    },
  );
});

describe("upgrade", () => {
  it("leaves models of operator set 21 and newer alone", () => {
    const { graph } = buildNode({ op: "Relu", inputs: [x] });
    for (const opset of [21, 22, 23]) {
      const model = modelOf(graph, opset);
      expect(upgrade(model)).toBe(model);
    }
  });

  it("needs no rank where the declared output shows that Softmax takes the last axis", () => {
    const { graph } = buildNode({ op: "Softmax", opset: 11, inputs: [f32(2, 5)] });
    expect(upgrade(modelOf(graph, 11)).graph.nodes).toEqual([
      expect.objectContaining({ op: "Softmax", attributes: { axis: int(-1) } }),
    ]);
  });

  it("reaches the branches of an If, whose constants go to the main graph", () => {
    const inner = buildNode({ op: "ReduceSum", opset: 11, inputs: [x], attributes: { axes: [1] } }).graph;
    const branch: Graph = { ...inner, inputs: [] };
    const node: Node = {
      op: "If",
      domain: "",
      name: "if",
      inputs: ["c"],
      outputs: ["y"],
      attributes: { then_branch: { kind: "graph", value: branch } },
    };
    const main: Graph = { ...inner, nodes: [node], outputs: [] };
    const { graph } = upgrade(modelOf(main, 11));
    const then = graph.nodes[0]!.attributes.then_branch;
    expect(then?.kind === "graph" && then.value.nodes[0]!.inputs).toEqual(["x0", "node/axes"]);
    expect(graph.initializers.get("node/axes")?.data).toEqual(BigInt64Array.of(1n));
  });

  it("keeps three outputs of a BatchNormalization in training form", () => {
    const { graph } = buildNode({
      op: "BatchNormalization",
      opset: 9,
      inputs: [x, f32(3), f32(3), f32(3), f32(3)],
      outputs: 5,
    });
    const [node] = upgrade(modelOf({ ...graph, outputs: graph.outputs.slice(0, 3) }, 9)).graph.nodes;
    expect(node!.outputs).toHaveLength(3);
    expect(node!.attributes.training_mode).toEqual(int(1));
  });

  it("refuses what is too old, and names a node that has no equal", () => {
    const { graph } = buildNode({ op: "Relu", inputs: [x] });
    expect(() => upgrade(modelOf(graph, 6))).toThrowError(
      expect.objectContaining({ code: "ISO_ONNX_UNSUPPORTED", message: expect.stringMatching(/operator set 6/) }),
    );
    const old = buildNode({
      op: "BatchNormalization",
      opset: 8,
      inputs: [x, f32(3), f32(3), f32(3), f32(3)],
      attributes: { spatial: 0 },
    });
    expect(() => upgrade(modelOf(old.graph, 8))).toThrowError(
      expect.objectContaining({
        code: "ISO_ONNX_UNSUPPORTED",
        message: expect.stringMatching(/node node \(BatchNormalization\) has spatial = 0/),
      }),
    );
  });

  it("refuses a nearest Resize whose rounding today's cannot express", () => {
    const mixed = buildNode({ op: "Resize", opset: 10, inputs: [f32(1, 1, 4, 4), numbers(1, 1, 0.5, 2)] });
    expect(() => upgrade(modelOf(mixed.graph, 10))).toThrowError(/node node \(Resize\) has scales below and above 1/);
    const { graph } = buildNode({ op: "Resize", opset: 10, inputs: [f32(1, 1, 4, 4), numbers(1, 1, 2, 2)] });
    const varying = { ...graph, initializers: new Map() };
    expect(() => upgrade(modelOf(varying, 10))).toThrowError(/node node \(Resize\) has scales that are not constant/);
  });
});
