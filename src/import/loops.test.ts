import { describe, expect, it } from "vitest";
import {
  body,
  branches,
  floats,
  i64,
  lstmAsLoop,
  lstmAsScan,
  modelOf,
  scalar,
  trip,
  type Written,
} from "../graph/unroll/testModels.js";
import { analyseScaleInvariance } from "../method/index.js";
import { int, ints, type Model } from "../onnx/index.js";
import { importModel } from "./index.js";
import { options } from "./testing/models.js";

/** A network for rows of `features` numbers, called x; `h` [n, units] is classified. */
function network(
  { lines, constants }: Omit<Written, "outputs">,
  features: number,
  units: number,
  batch: number | string = "n",
): Model {
  const model = modelOf({
    lines: [...lines, ["scores = Gemm(h, classifier)", { transB: int(1) }]],
    outputs: ["scores"],
    constants: { ...constants, classifier: floats([3, units], 9) },
  });
  return { ...model, graph: { ...model.graph, inputs: [{ name: "x", dtype: "float32", shape: [batch, features] }] } };
}

const loopOf = (line: string, lines: Written["lines"], weight = floats([4, 4])) =>
  [
    line,
    body({
      lines: ["going2 = Identity(going)", ...lines],
      inputs: trip("v"),
      outputs: ["going2", "v2"],
      constants: { weight },
    }),
  ] as const;

it.each([
  ["Scan", lstmAsScan],
  ["Loop", lstmAsLoop],
])("an LSTM as %s is imported for any batch, its weights under their names", (_, make) => {
  const lstm = make({ features: 3, units: 4 });
  const lines: Written["lines"] = ["sequence = Reshape(x, lines)", ...lstm.lines, "h = Identity(h_last)"].map((line) =>
    typeof line === "string" ? line.replace("(x)", "(sequence)") : [line[0].replace(/\bx\)/, "sequence)"), line[1]],
  );
  const { model, head } = importModel(
    network({ lines, constants: { ...lstm.constants, lines: i64(0, 5, 3) } }, 15, 4),
    options([15]),
  );
  expect(head).toMatchObject({ features: 4, previousClasses: 3 });
  const { nodes, initializers } = model.graph;
  expect(nodes.filter(({ op }) => op === "Loop" || op === "Scan")).toEqual([]);
  expect(nodes.filter(({ op }) => op === "MatMul")).toHaveLength(10);
  for (const name of ["W", "R", "B"]) expect(initializers.has(name)).toBe(true);
});

it("a weight that a loop's body uses again and again is proved scale-invariant where a normalisation follows", () => {
  const lines: Written["lines"] = [
    loopOf("h = Loop(times, , x)", [
      "p = MatMul(v, weight)",
      ["n = LayerNormalization(p, gain)", { axis: int(-1) }],
      "v2 = Relu(n)",
    ]),
  ];
  const { model } = importModel(
    network(
      {
        lines,
        constants: { times: scalar(3), gain: { dtype: "float32", shape: [4], data: Float32Array.of(1, 2, 3, 4) } },
      },
      4,
      4,
    ),
    options([4]),
  );
  expect(model.graph.nodes.filter(({ op }) => op === "MatMul")).toHaveLength(3);
  const proofs = new Map(analyseScaleInvariance(model.graph).map(({ name, scaleInvariant }) => [name, scaleInvariant]));
  expect(proofs.get("weight")).toBe(true);
  expect(proofs.get("gain")).toBe(false);
});

it("a body that reads the model's input itself, transposes its weight and branches is written out", () => {
  const choice = branches(
    { lines: ["v2 = Add(p, x)"], outputs: ["v2"] },
    { lines: ["v2 = Sub(p, x)"], outputs: ["v2"] },
  );
  const lines: Written["lines"] = [
    loopOf("h = Loop(times, , x)", [
      ["turned = Transpose(weight)", { perm: ints([1, 0]) }],
      "p = MatMul(v, turned)",
      "start = Equal(i, zero)",
      ["v2 = If(start)", choice],
    ]),
  ];
  const { model } = importModel(
    network({ lines, constants: { times: scalar(3), zero: scalar(0) } }, 4, 4),
    options([4]),
  );
  expect(model.graph.nodes.map(({ op }) => op)).toEqual([
    "MatMul",
    "Add",
    "MatMul",
    "Sub",
    "MatMul",
    "Sub",
    "ScaleInvariantLinear",
  ]);
});

describe("is refused before training", () => {
  const attempt = (lines: Written["lines"], batch?: number) => () =>
    importModel(network({ lines, constants: { zero: scalar(0), half: floats([], 0) } }, 4, 4, batch), options([4]));
  const unsupported = (message: RegExp) =>
    expect.objectContaining({ code: "ISO_ONNX_UNSUPPORTED", message: expect.stringMatching(message) });
  const body = ["p = MatMul(v, weight)", "v2 = Tanh(p)"];

  it("a loop over the examples, since their number is free", () => {
    const lines = ["shape = Shape(x)", "times = Gather(shape, zero)", loopOf("h = Loop(times, , x)", body)];
    expect(attempt(lines)).toThrowError(
      unsupported(/what node h \(Loop\) does depends on the size of the batch.*trace it with fixed shapes/),
    );
  });

  it("a loop whose length the data say", () => {
    const lines = [
      "place = ReduceMax(x)",
      ["times = Cast(place)", { to: int(7) }] as const,
      loopOf("h = Loop(times, , x)", body),
    ];
    expect(attempt(lines)).toThrowError(
      unsupported(/how often node h \(Loop\) runs is known only when the model runs/),
    );
  });
});

it("a loop on the data behind a classifier that is named does no harm", () => {
  const model = modelOf({
    lines: [
      ["scores = Gemm(x, classifier)", { transB: int(1) }],
      "place = ReduceMax(scores)",
      ["times = Cast(place)", { to: int(7) }],
      loopOf("again = Loop(times, , scores)", ["v2 = Neg(v)"]),
    ],
    outputs: ["again"],
    constants: { classifier: floats([3, 4], 9) },
  });
  const inputs = [{ name: "x", dtype: "float32", shape: ["n", 4] }] as const;
  const { head } = importModel(
    { ...model, graph: { ...model.graph, inputs } },
    { ...options([4]), headNode: "scores" },
  );
  expect(head).toMatchObject({ features: 4, previousClasses: 3 });
});
