import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { decode } from "./decode.js";
import { encode } from "./encode.js";
import type { Attribute, Graph, Model, Tensor } from "./types.js";

const fixture = (name: string) => readFileSync(new URL(`../../test/fixtures/onnx/${name}`, import.meta.url));

function elements(graph: Graph): Record<string, unknown[]> {
  return Object.fromEntries([...graph.initializers].map(([name, { data }]) => [name, Array.from<unknown>(data)]));
}

describe("tensors of models that Python wrote", () => {
  it("reads every element type from its typed field", () => {
    const { graph } = decode(fixture("typed.onnx"));
    expect(elements(graph)).toEqual({
      float32: [0, -1.5, 3.4028234663852886e38, Number.POSITIVE_INFINITY],
      float64: [0, -1.5, 1e300, 5e-324],
      int8: [0, -128, 127, -1],
      int16: [0, -32768, 32767, -1],
      int32: [0, -(2 ** 31), 2 ** 31 - 1, -1],
      int64: [0n, -(2n ** 63n), 2n ** 63n - 1n, -1n],
      uint8: [0, 1, 128, 255],
      uint16: [0, 1, 32768, 65535],
      uint32: [0, 1, 2 ** 31, 2 ** 32 - 1],
      uint64: [0n, 1n, 2n ** 63n, 2n ** 64n - 1n],
      bool: [1, 0, 0, 1],
      float16: [0x0000, 0xbe00, 0x7bff, 0x0001],
      bfloat16: [0x0000, 0xbfc0, 0x7f80, 0x0001],
      string: ["", "a", "Ω", "\u{1f600}"],
    });
    for (const [name, tensor] of graph.initializers) {
      expect(tensor.dtype).toBe(name);
      expect(tensor.shape).toEqual([2, 2]);
    }
  });

  it("reads raw data of every type wherever the file's bytes lie in memory", () => {
    const file = fixture("raw.onnx");
    for (let shift = 0; shift < 8; shift++) {
      const bytes = new Uint8Array(file.length + shift).subarray(shift);
      bytes.set(file);
      const { graph } = decode(bytes);
      const { scalar, empty, float16, ...rest } = elements(graph);
      expect(graph.initializers.get("scalar")).toEqual({ dtype: "float32", shape: [], data: Float32Array.of(7) });
      expect(graph.initializers.get("empty")).toEqual({ dtype: "float32", shape: [2, 0], data: new Float32Array(0) });
      expect(float16).toEqual([0x0000, 0x3c00, 0x4000, 0x4200, 0x4400, 0x4500]);
      expect(scalar).toEqual([7]);
      expect(empty).toEqual([]);
      for (const [name, values] of Object.entries(rest))
        expect(values.map(Number), name).toEqual(name === "bool" ? [0, 1, 1, 1, 1, 1] : [0, 1, 2, 3, 4, 5]);
    }
  });
});

describe("graphs of models that Python wrote", () => {
  const model = decode(fixture("attributes.onnx"));

  it("reads every kind of attribute, integers beyond 2^53 exactly", () => {
    const tensor: Tensor = { dtype: "float32", shape: [3], data: Float32Array.of(0, 1, 2) };
    const { a_graph, some_graphs, ...rest } = model.graph.nodes[0]!.attributes;
    expect(rest).toEqual({
      an_int: { kind: "int", value: -7 },
      big: { kind: "bigint", value: 2n ** 63n - 1n },
      some_ints: { kind: "ints", value: [1, -2, 3] },
      big_ints: { kind: "bigints", value: [1n, -(2n ** 63n)] },
      no_ints: { kind: "ints", value: [] },
      a_float: { kind: "float", value: 0.5 },
      some_floats: { kind: "floats", value: [0.25, Math.fround(-1e30)] },
      a_string: { kind: "string", value: "ΩΩ" },
      some_strings: { kind: "strings", value: ["a", ""] },
      no_strings: { kind: "strings", value: [] },
      a_tensor: { kind: "tensor", value: tensor },
      some_tensors: { kind: "tensors", value: [tensor, tensor] },
    } satisfies Record<string, Attribute>);
    const body: Graph = {
      name: "body",
      nodes: [{ op: "Add", domain: "", name: "", inputs: ["x", "inner"], outputs: ["y"], attributes: {} }],
      inputs: [{ name: "inner", dtype: "float32", shape: [3] }],
      outputs: [{ name: "y", dtype: "float32", shape: [3] }],
      initializers: new Map(),
      valueInfo: [],
    };
    expect(a_graph).toEqual({ kind: "graph", value: body });
    expect(some_graphs).toEqual({ kind: "graphs", value: [body, body] });
  });

  it("reads what stands around the graph", () => {
    expect(model.irVersion).toBe(8);
    expect(model.opsets).toEqual(
      new Map([
        ["", 15],
        ["example.custom", 3],
      ]),
    );
    expect([model.producerName, model.producerVersion]).toEqual(["make_fixtures", "1.2"]);
    expect(model.metadata).toEqual(
      new Map([
        ["labels", '["cat","dog"]'],
        ["empty", ""],
      ]),
    );
  });

  it("reads the domain ai.onnx under its short name, in operator sets and nodes", () => {
    const { graph, opsets } = decode(encode(modelOf({ domain: "ai.onnx", opsets: new Map([["ai.onnx", 15]]) })));
    expect(opsets).toEqual(new Map([["", 15]]));
    expect(graph.nodes[0]?.domain).toBe("");
    const twice = new Map([
      ["ai.onnx", 15],
      ["", 16],
    ]);
    expect(() => decode(encode(modelOf({ domain: "", opsets: twice })))).toThrow(/imported as version 15 and 16/);
  });

  it("takes the first operator set where a file is older than operator sets", () => {
    expect(decode(encode({ ...modelOf({ domain: "", opsets: new Map() }), irVersion: 2 })).opsets).toEqual(
      new Map([["", 1]]),
    );
  });

  it("reads types: symbolic, unknown and scalar shapes, and leaves initializers out of the inputs", () => {
    expect(model.graph.inputs).toEqual([{ name: "x", dtype: "float32", shape: ["batch", 3, undefined] }]);
    expect(model.graph.outputs).toEqual([
      { name: "y", dtype: "float32", shape: [undefined] },
      { name: "z", dtype: "float32", shape: [] },
    ]);
    expect(model.graph.valueInfo).toEqual([
      { name: "inner value", dtype: "int64", shape: [4, "n"] },
      { name: "unranked", dtype: "float32", shape: undefined },
    ]);
    expect(model.graph.nodes[0]).toMatchObject({
      op: "Everything",
      domain: "example.custom",
      name: "everything",
      inputs: ["x", "", "w"],
      outputs: ["y", "", "z"],
    });
    expect(decode(fixture("old_ir.onnx")).graph.inputs.map(({ name }) => name)).toEqual(["x"]);
  });
});

describe("what isonorm has no place for", () => {
  it.each([
    ["function.onnx", /functions of its own \(example\.local:Twice\)/],
    ["sparse.onnx", /initializer "sparse weight" is sparse/],
    ["sequence_input.onnx", /input "frames" is no tensor/],
  ])("is refused by name: %s", (name, message) => {
    expect(() => decode(fixture(name))).toThrow(
      expect.objectContaining({ code: "ISO_ONNX_UNSUPPORTED", message: expect.stringMatching(message) }),
    );
  });

  it("refuses external data when only the bytes are there", () => {
    expect(() => decode(fixture("external/inside.onnx"), { source: "inside.onnx" })).toThrow(
      expect.objectContaining({
        code: "ISO_ONNX_EXTERNAL_DATA",
        message: expect.stringMatching(/^inside\.onnx: tensor "w" keeps its data in the file "weights\.bin"/),
      }),
    );
  });

  it("asks for external data with location, offset and length, and checks what it gets", () => {
    const asked: unknown[] = [];
    const { graph } = decode(fixture("external/inside.onnx"), {
      externalData: (...request) => {
        asked.push(request);
        return new Uint8Array(16);
      },
    });
    expect(asked).toEqual([
      ["weights.bin", 0, 16],
      ["weights.bin", 16, 16],
    ]);
    expect(graph.initializers.get("b")?.data).toEqual(new Float32Array(4));
    expect(() => decode(fixture("external/inside.onnx"), { externalData: () => new Uint8Array(15) })).toThrow(
      expect.objectContaining({ code: "ISO_ONNX_EXTERNAL_DATA" }),
    );
  });
});

function modelOf({ domain, opsets }: { domain: string; opsets: ReadonlyMap<string, number> }): Model {
  const node = { op: "Relu", domain, name: "relu", inputs: ["x"], outputs: ["y"], attributes: {} };
  const value = (name: string) => ({ name, dtype: "float32", shape: [2] }) as const;
  return {
    graph: {
      name: "g",
      nodes: [node],
      inputs: [value("x")],
      outputs: [value("y")],
      initializers: new Map(),
      valueInfo: [],
    },
    irVersion: 8,
    opsets,
    producerName: "",
    producerVersion: "",
    metadata: new Map(),
  };
}
