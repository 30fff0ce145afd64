import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { GraphBuilder, type Value } from "../../../graph/index.js";
import { float, type Graph, int, type Tensor } from "../../../onnx/types.js";
import { measureChannelBlock } from "../../../train/index.js";
import { opsetsOf } from "../../index.js";
import { lower } from "../../lower.js";
import { irregular, largestError, runGraph } from "../../testing/runAbstract.js";
import { type MatrixForm, shapeInBlocks } from "./matrices.js";
import { fromOrder, toOrder } from "./matrixOrder.js";
import { stateForms, weightForms } from "./stateForms.js";

const measured = await measureChannelBlock({ createSession: InferenceSession.create, Tensor: OrtTensor });
const block = measured ?? 16;
const [rows, features, outputs] = [64, 320, 352];

interface Layer {
  /** Whether the weight is [outputs, features], as PyTorch has it, or [features, outputs]. */
  readonly outputsFirst: boolean;
  readonly batch?: number;
  readonly alpha?: number;
  readonly bias?: readonly number[];
  /** Whether something else reads the weight. */
  readonly readElsewhere?: boolean;
}

const weightShape = ({ outputsFirst }: Layer) => (outputsFirst ? [outputs, features] : [features, outputs]);
const inputsOf = (layer: Layer): Readonly<Record<string, Tensor>> => ({
  x: irregular([layer.batch ?? rows, features], 1),
  dy: irregular([layer.batch ?? rows, outputs], 2),
  w: irregular(weightShape(layer), 3),
  m: irregular(weightShape(layer), 4),
  bias: irregular(layer.bias ?? [outputs], 5),
});

/** A linear layer, its gradients, and a step with momentum: y, dx, next:m, next:w and the squares of the new weight. */
function step(layer: Layer): Graph {
  const b = new GraphBuilder();
  const values = Object.entries(inputsOf(layer)).map(([name, { shape }]) => b.input(name, "float32", shape));
  const [x, dy, w, m, bias] = values as [Value, Value, Value, Value, Value];
  const flags = (transA: boolean, transB: boolean) => ({
    transA: int(transA ? 1 : 0),
    transB: int(transB ? 1 : 0),
    alpha: float(layer.alpha ?? 1),
  });
  const y = b.op("Gemm", [x, w, bias], flags(false, layer.outputsFirst));
  b.output("y", b.relu(y));
  b.output("dx", b.op("Gemm", [dy, w], flags(false, !layer.outputsFirst)));
  const dw = b.op("Gemm", layer.outputsFirst ? [dy, x] : [x, dy], flags(true, false));
  const moved = b.plus(b.times(m, b.scalar(0.9)), dw);
  const next = b.minus(w, b.times(moved, b.scalar(0.01)));
  b.output("next:m", moved);
  b.output("next:w", next);
  b.output("squares", b.abstract("SumOfSquares", [next])[0]!);
  if (layer.readElsewhere) b.output("transposed", b.transpose(w, [1, 0]));
  return b.finish("step");
}

/** Runs a lowered graph whose state is in blocks; inputs and outputs as they are without. */
async function run(graph: Graph, inputs: Readonly<Record<string, Tensor>>, forms: ReadonlyMap<string, MatrixForm>) {
  const options = { channelBlock: block, forms };
  const lowered = lower(graph, "cpu", options);
  const feeds = Object.entries(inputs).map(([name, tensor]): [string, Tensor] => {
    const form = forms.get(name);
    if (!form) return [name, tensor];
    const data = toOrder(tensor.data as Float32Array, tensor.shape, { form, block });
    return [name, { dtype: "float32", shape: shapeInBlocks(tensor.shape, form), data }];
  });
  const results = await runGraph(lowered, new Map(feeds), "cpu", opsetsOf(options));
  const found = [...results].map(([name, data]): [string, Float32Array] => {
    const [form, shape] = [forms.get(name), inputs[name.replace("next:", "")]?.shape];
    return [name, form ? fromOrder(data as Float32Array, shape!, { form, block }) : (data as Float32Array)];
  });
  return { lowered, results: new Map(found) };
}

const heldForms = (form: MatrixForm): ReadonlyMap<string, MatrixForm> =>
  new Map(["w", "m", "next:w", "next:m"].map((name) => [name, form]));
const operators = (graph: Graph): readonly string[] => graph.nodes.map(({ op }) => op);

describe.skipIf(measured === undefined)("a linear layer whose weight is held in blocks", () => {
  const layers: (Layer & { title: string; form: MatrixForm; inBlocks: boolean })[] = [
    { title: "[outputs, features]", outputsFirst: true, form: "rows", inBlocks: true },
    { title: "[features, outputs]", outputsFirst: false, form: "columns", inBlocks: true },
    // What blocks cannot do is done on the matrix as ONNX has it.
    { title: "a factor", outputsFirst: true, form: "rows", alpha: 0.5, inBlocks: false },
    { title: "a bias by example", outputsFirst: true, form: "rows", bias: [rows, 1], inBlocks: false },
    { title: "a batch of no whole blocks", outputsFirst: true, form: "rows", batch: rows + 1, inBlocks: false },
    { title: "blocks of the other axis", outputsFirst: true, form: "columns", inBlocks: false },
  ];
  it.each(layers)("takes the step that it takes otherwise: $title", async ({ form, inBlocks, ...layer }) => {
    const inputs = inputsOf(layer);
    const plain = await run(step(layer), inputs, new Map());
    const held = await run(step(layer), inputs, heldForms(form));
    for (const [name, expected] of plain.results)
      expect(largestError(held.results.get(name)!, expected), name).toBeLessThan(3e-6);
    expect(operators(plain.lowered).filter((op) => op === "Gemm")).toHaveLength(3);
    if (inBlocks) expect(operators(held.lowered)).not.toContain("Gemm");
    else expect(operators(held.lowered)).toContain("Gemm");
  });

  it.each([true, false])("never puts the weight in another order (outputs first: %s)", (outputsFirst) => {
    const layer = { outputsFirst };
    const forms = heldForms(outputsFirst ? "rows" : "columns");
    const lowered = lower(step(layer), "cpu", { channelBlock: block, forms });
    // x, dy by columns and by rows; y and dx back.
    expect(operators(lowered).filter((op) => op.startsWith("Reorder"))).toHaveLength(6);
    // Bias and activation are the convolution's, and so is the momentum's sum.
    expect(operators(lowered)).not.toContain("Relu");
    expect(operators(lowered)).not.toContain("Add");
    for (const name of ["w", "m"]) expect(lowered.inputs.find((input) => input.name === name)!.shape).toHaveLength(4);
  });
});

describe("the form of a weight", () => {
  const opsets = new Map([["", 21]]);
  const weight = (layer: Layer): MatrixForm | undefined => weightForms(step(layer), opsets, ["w"], 16).get("w");

  it("is that of blocks of the layer's outputs", () => {
    expect(weight({ outputsFirst: true })).toBe("rows");
    expect(weight({ outputsFirst: false })).toBe("columns");
  });

  it("is its own where a product cannot be computed in blocks", () => {
    expect(weight({ outputsFirst: true, batch: rows + 1 })).toBeUndefined();
    expect(weight({ outputsFirst: true, alpha: 2 })).toBeUndefined();
    expect(weight({ outputsFirst: true, bias: [rows, 1] })).toBeUndefined();
    // Whole blocks, but little work.
    expect(weight({ outputsFirst: true, batch: 16 })).toBeUndefined();
  });

  it.each([
    ["narrow", 64, false, undefined],
    ["narrow, before batch normalisation", 64, true, "rows"],
    ["wide", 320, false, "rows"],
  ])("depends on what blocks save: %s", (_, width, normalised, expected) => {
    const b = new GraphBuilder();
    const x = b.input("x", "float32", [1024, width]);
    const y = b.op("Gemm", [x, b.input("w", "float32", [width, width])], { transB: int(1) });
    const vector = b.input("vector", "float32", [width]);
    b.output("y", normalised ? b.abstract("BatchNormTraining", [y, vector, vector])[0]! : b.relu(y));
    expect(weightForms(b.finish("layer"), opsets, ["w"], 16).get("w")).toBe(expected);
  });

  it("is its own where something else reads the weight", () => {
    expect(weight({ outputsFirst: true, readElsewhere: true })).toBeUndefined();
  });

  it("spreads over what is computed with state element by element, and no further", () => {
    const graph = step({ outputsFirst: true });
    const forms = stateForms(graph, opsets, heldForms("rows"));
    const gradient = graph.nodes.filter(({ op }) => op === "Gemm")[2]!.outputs[0]!;
    expect(forms.get(gradient)).toBe("rows");
    const matrices = graph.nodes.filter(({ op }) => ["Add", "Sub", "Mul"].includes(op));
    expect(matrices.map(({ outputs: [output] }) => forms.get(output!))).toEqual(matrices.map(() => "rows"));
    for (const name of ["x", "dy", "y", "dx", "bias", "squares"]) expect(forms.get(name)).toBeUndefined();
  });
});
