import { describe, expect, it } from "vitest";
import { int, ints, type Model, type Tensor } from "../../onnx/types.js";
import { runGraph } from "../ortOracle.js";
import { inferGraph } from "../rewrite/index.js";
import { upgrade } from "../upgrade/index.js";
import { unroll } from "./index.js";
import {
  body,
  branches,
  floats,
  graphOf,
  i64,
  lstmAsLoop,
  lstmAsScan,
  modelOf,
  scalar,
  trip,
  truth,
  type Written,
} from "./testModels.js";

const plain = (written: Written, opset?: number) => unroll(upgrade(modelOf(written, opset)), new Map());

/** The unrolled model gives ONNX Runtime's results of the original, and has no control flow left. */
async function agrees(written: Written, opset?: number): Promise<Model> {
  const { model, unresolved } = plain(written, opset);
  expect([...unresolved.values()]).toEqual([]);
  const [expected, found] = [
    await runGraph(graphOf("model", written), new Map([["", opset ?? 21]])),
    await runGraph(model.graph, model.opsets),
  ];
  const values = inferGraph(model.graph, model.opsets);
  expect(new Set(model.graph.nodes.map(({ name }) => name)).size).toBe(model.graph.nodes.length);
  expected.forEach((tensor, index) => {
    const name = written.outputs[index] as string;
    expect([name, found[index]!.dims]).toEqual([name, tensor.dims]);
    expect([name, values.get(name)!.shape]).toEqual([name, [...tensor.dims]]);
    const [a, b] = [tensor, found[index]!].map(({ data }) => Array.from(data as Float32Array, Number));
    // ONNX Runtime fuses other nodes in a body than in a plain graph: a rounding more or less.
    a!.forEach((value, at) => {
      expect(b![at]).toBeCloseTo(value, 6);
    });
  });
  return model;
}

const x = floats([3, 4, 2]);

describe("Loop", () => {
  const carriesSum = { inputs: trip("sum"), outputs: ["going2", "sum2", "row"] } as const;

  it("runs its body M times, with what it carries, what it stacks and what it takes from outside", async () => {
    const { graph } = await agrees({
      lines: [
        [
          "last, rows = Loop(times, , start)",
          body({
            lines: [
              "going2 = Identity(going)",
              "row = Gather(x, i)",
              "scaled = Mul(row, factor)",
              "sum2 = Add(sum, scaled)",
            ],
            ...carriesSum,
            constants: { factor: floats([2], 4) },
          }),
        ],
      ],
      outputs: ["last", "rows"],
      constants: { x, start: floats([4, 2], 2), times: scalar(3) },
    });
    // One weight, used three times.
    expect(graph.initializers.has("factor")).toBe(true);
    expect(graph.nodes.filter(({ inputs }) => inputs.includes("factor"))).toHaveLength(3);
  });

  it("ends where its condition does, which is computed from what it carries", async () => {
    const condition = { name: "n", dtype: "int64", shape: [] } as const;
    const model = await agrees({
      lines: [
        [
          "n_last, last, rows = Loop(times, yes, zero, start)",
          body({
            lines: ["n2 = Add(n, one)", "going2 = Less(n2, three)", "sum2 = Add(sum, sum)", "row = Neg(sum2)"],
            inputs: trip(condition, "sum"),
            outputs: ["going2", "n2", "sum2", "row"],
          }),
        ],
      ],
      outputs: ["last", "rows", "n_last"],
      constants: {
        start: floats([2]),
        times: scalar(100),
        yes: truth(true),
        zero: scalar(0),
        one: scalar(1),
        three: scalar(3),
      },
    });
    expect(model.graph.nodes.filter(({ op }) => op === "Neg")).toHaveLength(3);
  });

  it("gives copies of nodes without names, of one operator, names of their own", async () => {
    const unnamed = body({
      lines: ["going2 = Identity(going)", "a = Sin(sum)", "sum2 = Sin(a)"],
      inputs: trip("sum"),
      outputs: ["going2", "sum2"],
    });
    const { value } = unnamed.body as { value: ReturnType<typeof graphOf> };
    const nodes = value.nodes.map((node) => ({ ...node, name: "" }));
    await agrees({
      lines: [["last = Loop(times, , start)", { body: { kind: "graph", value: { ...value, nodes } } }]],
      outputs: ["last"],
      constants: { start: floats([2]), times: scalar(3) },
    });
  });

  it("runs as often as a shape says", async () => {
    await agrees({
      lines: [
        "shape = Shape(x)",
        "times = Gather(shape, first)",
        [
          "last, rows = Loop(times, yes, start)",
          body({
            lines: ["going2 = Identity(going)", "row = Gather(x, i)", "sum2 = Add(sum, row)"],
            ...carriesSum,
          }),
        ],
      ],
      outputs: ["last", "rows"],
      constants: { x, first: scalar(0), start: floats([4, 2], 2), yes: truth(true) },
    });
  });

  it("that never runs hands its values on and stacks none", async () => {
    const written: Written = {
      lines: [
        [
          "last, rows = Loop(times, no, start)",
          body({
            lines: ["going2 = Identity(going)", "sum2 = Neg(sum)", "row = Neg(sum)"],
            ...carriesSum,
          }),
        ],
        ["size = Shape(rows)", {}],
      ],
      outputs: ["last", "size"],
      constants: { start: floats([4, 2], 2), times: scalar(3), no: truth(false) },
    };
    const [loop, ...rest] = graphOf("", written).nodes;
    const { value } = loop!.attributes.body as { value: ReturnType<typeof graphOf> };
    const typed = {
      ...value,
      outputs: value.outputs.map((output, index) =>
        index === 2 ? { ...output, dtype: "float32", shape: [4, 2] } : output,
      ),
    } as typeof value;
    const graph = {
      ...graphOf("", written),
      nodes: [{ ...loop!, attributes: { body: { kind: "graph", value: typed } } } as const, ...rest],
    };
    const { model } = unroll(upgrade({ ...modelOf(written), graph }), new Map());
    const results = await runGraph(model.graph, model.opsets);
    const expected = await runGraph(graph, model.opsets);
    expect(results.map(({ data }) => data)).toEqual(expected.map(({ data }) => data));
  });

  it("carries lists that grow", async () => {
    await agrees({
      lines: [
        "list = SequenceEmpty()",
        [
          "state, all = Loop(times, yes, start, list)",
          body({
            lines: ["going2 = Identity(going)", "sum2 = Sin(sum)", "grown = SequenceInsert(seq, sum2)"],
            inputs: trip("sum", { name: "seq", dtype: undefined, shape: undefined }),
            outputs: ["going2", "sum2", "grown"],
          }),
        ],
        ["stacked = ConcatFromSequence(all)", { axis: int(0), new_axis: int(1) }],
        "count = SequenceLength(all)",
        "second = SequenceAt(all, one)",
      ],
      outputs: ["stacked", "second", "state"],
      constants: { start: floats([4, 2], 2), times: scalar(5), yes: truth(true), one: scalar(1) },
    });
  });

  it("keeps names apart that two bodies and the graph around them share", async () => {
    const doubling = body({
      lines: ["going2 = Identity(going)", "y = Mul(sum, factor)"],
      inputs: trip("sum"),
      outputs: ["going2", "y"],
      constants: { factor: floats([2], 4) },
    });
    const adding = body({
      lines: ["going2 = Identity(going)", "y = Add(sum, factor)"],
      inputs: trip("sum"),
      outputs: ["going2", "y"],
      constants: { factor: floats([2], 5) },
    });
    await agrees({
      lines: [
        ["a = Loop(times, , start)", doubling],
        ["b = Loop(times, , a)", adding],
      ],
      outputs: ["a", "b"],
      constants: { start: floats([4, 2], 2), times: scalar(2) },
    });
  });
});

describe("Scan", () => {
  it.each([
    [
      [0, 0],
      [0, 0],
      [0, 0],
      [0, 0],
    ],
    [
      [0, 1],
      [0, 1],
      [1, 0],
      [0, 1],
    ],
    [
      [-3, -2],
      [1, 0],
      [-1, -2],
      [1, 1],
    ],
  ])(
    "goes along axes %j in directions %j and stacks along %j in directions %j",
    async (axes, directions, outs, outward) => {
      await agrees({
        lines: [
          [
            "last, a, b = Scan(start, x, z)",
            {
              num_scan_inputs: int(2),
              scan_input_axes: ints(axes),
              scan_input_directions: ints(directions),
              scan_output_axes: ints(outs),
              scan_output_directions: ints(outward),
              ...body({
                lines: [
                  "p = Mul(xt, zt)",
                  "sum2 = Add(sum, p)",
                  "out = Sin(sum2)",
                  ["t = Transpose(p)", { perm: ints([1, 0]) }],
                ],
                inputs: ["sum", "xt", "zt"],
                outputs: ["sum2", "out", "t"],
              }),
            },
          ],
        ],
        outputs: ["last", "a", "b"],
        constants: {
          x,
          // Three slices of [4, 2] along the axis that is scanned.
          z: axes[1] === 0 ? floats([3, 4, 2], 3) : floats([4, 3, 2], 3),
          start: floats([4, 2], 2),
        },
      });
    },
  );

  it("over a batch, as operator set 8 has it, is one for each example", async () => {
    await agrees(
      {
        lines: [
          [
            "last, sums = Scan(, start, x)",
            {
              num_scan_inputs: int(1),
              directions: ints([1]),
              ...body({
                lines: ["sum2 = Add(sum, xt)", "out = Sin(sum2)"],
                inputs: [
                  { name: "sum", dtype: "float32", shape: [2] },
                  { name: "xt", dtype: "float32", shape: [2] },
                ],
                outputs: ["sum2", "out"],
              }),
            },
          ],
        ],
        outputs: ["last", "sums"],
        constants: { x, start: floats([3, 2], 2) },
      },
      8,
    );
  });
});

describe("If", () => {
  it.each([
    [3, "Neg"],
    [4, "Sin"],
  ])("takes the branch of a constant condition: rows = %d, %s", async (rows, op) => {
    const { graph } = await agrees({
      lines: [
        "shape = Shape(x)",
        "first = Gather(shape, zeroth)",
        "equal = Equal(first, rows)",
        [
          "y = If(equal)",
          branches({ lines: ["a = Neg(x)"], outputs: ["a"] }, { lines: ["a = Sin(x)"], outputs: ["a"] }),
        ],
      ],
      outputs: ["y"],
      constants: { x, zeroth: scalar(0), rows: scalar(rows) },
    });
    expect(graph.nodes.map((node) => node.op)).toEqual([op, "Identity"]);
  });
});

describe("bodies inside bodies", () => {
  it("an If in a Loop takes its branch in each trip anew", async () => {
    await agrees({
      lines: [
        [
          "last = Loop(times, , start)",
          body({
            lines: [
              "going2 = Identity(going)",
              "rest = Mod(i, two)",
              "even = Equal(rest, zero)",
              [
                "sum2 = If(even)",
                branches(
                  { lines: ["p = Mul(sum, weight)"], outputs: ["p"], constants: { weight: floats([2], 6) } },
                  { lines: ["p = Sin(sum)"], outputs: ["p"] },
                ),
              ],
            ],
            inputs: trip("sum"),
            outputs: ["going2", "sum2"],
          }),
        ],
      ],
      outputs: ["last"],
      constants: { start: floats([4, 2], 2), times: scalar(5), two: scalar(2), zero: scalar(0) },
    });
  });

  it("a Loop in a Scan keeps one copy of its weight", async () => {
    const { graph } = await agrees({
      lines: [
        [
          "last, outs = Scan(start, x)",
          {
            num_scan_inputs: int(1),
            ...body({
              lines: [
                "begin = Add(sum, xt)",
                [
                  "sum2 = Loop(times, , begin)",
                  body(
                    {
                      lines: ["going2 = Identity(going)", "p = MatMul(inner, weight)", "q = Add(p, xt)"],
                      inputs: trip("inner"),
                      outputs: ["going2", "q"],
                      constants: { weight: floats([2, 2], 7) },
                    },
                    "inner",
                  ),
                ],
                "out = Neg(sum2)",
              ],
              inputs: ["sum", "xt"],
              outputs: ["sum2", "out"].map((name) => ({ name, dtype: "float32", shape: [4, 2] })),
            }),
          },
        ],
      ],
      outputs: ["last", "outs"],
      constants: { x, start: floats([4, 2], 2), times: scalar(2) },
    });
    expect(graph.nodes.filter(({ inputs }) => inputs.includes("weight"))).toHaveLength(6);
  });
});

it.each([
  ["Scan", lstmAsScan({ features: 2, units: 3 })],
  ["Loop", lstmAsLoop({ features: 2, units: 3 })],
])("an LSTM as %s", async (_, written) => {
  await agrees({ ...written, constants: { ...written.constants, x } });
});

describe("is left as it is, with the reason", () => {
  const refused = (written: Written): readonly string[] => [...plain(written).unresolved.values()];
  const forever = {
    lines: ["going2 = Identity(going)", "y = Sin(sum)"],
    inputs: trip("sum"),
    outputs: ["going2", "y"],
  };
  const start = floats([2]);

  it("an If on the data", () => {
    const choice = branches(
      { lines: ["a = Neg(start)"], outputs: ["a"] },
      { lines: ["a = Sin(start)"], outputs: ["a"] },
    );
    const written = {
      lines: ["sum = ReduceSum(start)", "positive = Greater(sum, nil)", ["y = If(positive)", choice]],
      outputs: ["y"],
      constants: { start, nil: floats([], 0) },
    } as const;
    expect(refused(written)).toEqual(["the condition of node y (If) is known only when the model runs"]);
    expect(plain(written).model.graph.nodes.map(({ op }) => op)).toEqual(["ReduceSum", "Greater", "If"]);
  });

  it("a Loop whose condition or number of trips depends on the data", () => {
    const large = body({
      ...forever,
      lines: ["total = ReduceMax(sum)", "going2 = Greater(total, nil)", "y = Sin(sum)"],
    });
    const constants = { start, nil: floats([], 0), yes: truth(true), times: scalar(9) };
    expect(refused({ lines: [["y = Loop(times, yes, start)", large]], outputs: ["y"], constants })).toEqual([
      "whether node y (Loop) goes on after 1 times is known only when the model runs",
    ]);
    const places = [
      "place = ArgMax(start)",
      "times = Squeeze(place)",
      ["y = Loop(times, , start)", body(forever)],
    ] as const;
    expect(refused({ lines: places, outputs: ["y"], constants: { start } })).toEqual([
      "how often node y (Loop) runs is known only when the model runs",
    ]);
  });

  const tooMany = (node: string) => `with node ${node} unrolled the model would have more than 50000 nodes`;
  it.each<[string, Readonly<Record<string, Tensor>>, string]>([
    ["2^40 trips", { times: scalar(2n ** 40n) }, "y = Loop(times, , start)"],
    ["trips without end", {}, "y = Loop(, yes, start)"],
  ])("%s, at once", (_, constants, line) => {
    const began = performance.now();
    const given = { start, yes: truth(true), ...constants };
    for (const condition of ["going2 = Identity(going)", "going2 = Not(no)"])
      expect(
        refused({
          lines: [[line, body({ ...forever, lines: [condition, "y = Sin(sum)"] })]],
          outputs: ["y"],
          constants: { ...given, no: truth(false) },
        }),
      ).toEqual([tooMany("y (Loop)")]);
    expect(
      refused({
        lines: [[line, body({ ...forever, lines: [], outputs: ["going", "sum"] })]],
        outputs: ["y"],
        constants: given,
      }),
    ).toEqual([tooMany("y (Loop)")]);
    expect(performance.now() - began).toBeLessThan(5_000);
  });

  it("loops in loops that multiply", () => {
    let inner = body(forever);
    for (let depth = 0; depth < 20; depth++)
      inner = body({
        lines: ["going2 = Identity(going)", ["y = Loop(times, , sum)", inner]],
        inputs: trip("sum"),
        outputs: ["going2", "y"],
      });
    const reasons = refused({
      lines: [["y = Loop(times, , start)", inner]],
      outputs: ["y"],
      constants: { start, times: scalar(10) },
    });
    expect(reasons).toContain(tooMany("y (Loop)"));
  });

  it("a Scan over too long an axis", () => {
    const written: Written = {
      lines: [
        "x = Expand(one, size)",
        [
          "last, all = Scan(start, x)",
          {
            num_scan_inputs: int(1),
            ...body({ lines: ["y = Add(sum, xt)"], inputs: ["sum", "xt"], outputs: ["y", "y"] }),
          },
        ],
      ],
      outputs: ["all"],
      constants: { start: floats([1]), one: floats([1, 1]), size: i64(2 ** 28, 1) },
    };
    expect(refused(written)).toEqual([tooMany("last (Scan)")]);
  });
});

it.each<[string, Written, RegExp]>([
  [
    "a body of too few inputs",
    {
      lines: [["y = Loop(times, , start)", body({ lines: ["p = Neg(i)"], inputs: ["i"], outputs: ["p", "p"] })]],
      outputs: ["y"],
    },
    /node y \(Loop\): the inputs of its body are 1, not 3/,
  ],
  [
    "axes of other lengths",
    {
      lines: [
        [
          "y = Scan(x, start)",
          { num_scan_inputs: int(2), ...body({ lines: ["p = Add(a, b)"], inputs: ["a", "b"], outputs: ["p"] }) },
        ],
      ],
      outputs: ["y"],
    },
    /node y \(Scan\): its inputs have 3 and 4 elements along the axes that it scans/,
  ],
  ["a Loop without a body", { lines: ["y = Loop(times, , start)"], outputs: ["y"] }, /node y \(Loop\) lacks its body/],
])("refuses %s", (_, written, message) => {
  const constants = { x, start: floats([4, 2]), times: scalar(2) };
  expect(() => plain({ ...written, constants })).toThrowError(
    expect.objectContaining({ code: "ISO_GRAPH_INVALID", message: expect.stringMatching(message) }),
  );
});
