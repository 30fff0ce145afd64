import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { arrayType, elementSize } from "./dataType.js";
import { decode } from "./decode.js";
import { encode, encodeChunks } from "./encode.js";
import { maxGraphDepth } from "./schema.js";
import {
  type Attribute,
  type DataType,
  elementCount,
  type Graph,
  type Model,
  type Node,
  onnxDataType,
  type Tensor,
  type ValueInfo,
} from "./types.js";

const folder = fileURLToPath(new URL("../../test/fixtures/onnx/", import.meta.url));
const fixture = (name: string) => readFileSync(join(folder, name));
const fixtures = ["typed.onnx", "raw.onnx", "attributes.onnx", "conditional.onnx", "old_ir.onnx"];

const text = fc.string({ unit: "binary", maxLength: 8 });
const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 8 });
const safeInt = fc.maxSafeInteger();
const float = fc.float();
const bigint = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const unsafe = bigint.filter((value) => !Number.isSafeInteger(Number(value)));

const tensor: fc.Arbitrary<Tensor> = fc
  .record({
    dtype: fc.constantFrom(...(Object.keys(onnxDataType) as DataType[])),
    shape: fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }),
  })
  .chain(({ dtype, shape }) => {
    const count = elementCount(shape);
    if (dtype === "string")
      return fc.array(text, { minLength: count, maxLength: count }).map((data): Tensor => ({ dtype, shape, data }));
    const bytes = count * elementSize[dtype];
    return fc
      .uint8Array({ minLength: bytes, maxLength: bytes })
      .map((raw) => ({ dtype, shape, data: new arrayType[dtype](raw.slice().buffer, 0, count) }) as Tensor);
  });

const valueInfo: fc.Arbitrary<ValueInfo> = fc.record({
  name,
  dtype: fc.constantFrom(...(Object.keys(onnxDataType) as DataType[])),
  shape: fc.option(fc.array(fc.oneof(fc.nat(), name, fc.constant(undefined)), { maxLength: 4 }), { nil: undefined }),
});

const { graph } = fc.letrec<{ attribute: Attribute; node: Node; graph: Graph }>((tie) => ({
  attribute: fc.oneof(
    { maxDepth: 2 },
    fc.record({ kind: fc.constant("int" as const), value: safeInt }),
    fc.record({ kind: fc.constant("ints" as const), value: fc.array(safeInt) }),
    fc.record({ kind: fc.constant("bigint" as const), value: unsafe }),
    fc.record({
      kind: fc.constant("bigints" as const),
      value: fc.tuple(unsafe, fc.array(bigint)).map(([first, rest]) => [first, ...rest]),
    }),
    fc.record({ kind: fc.constant("float" as const), value: float }),
    fc.record({ kind: fc.constant("floats" as const), value: fc.array(float) }),
    fc.record({ kind: fc.constant("string" as const), value: text }),
    fc.record({ kind: fc.constant("strings" as const), value: fc.array(text) }),
    fc.record({ kind: fc.constant("tensor" as const), value: tensor }),
    fc.record({ kind: fc.constant("tensors" as const), value: fc.array(tensor, { maxLength: 2 }) }),
    fc.record({ kind: fc.constant("graph" as const), value: tie("graph") }),
    fc.record({ kind: fc.constant("graphs" as const), value: fc.array(tie("graph"), { maxLength: 2 }) }),
  ),
  node: fc.record({
    op: name,
    domain: fc.constantFrom("", "com.microsoft", "isonorm"),
    name: text,
    inputs: fc.array(text, { maxLength: 3 }),
    outputs: fc.array(text, { maxLength: 3 }),
    attributes: fc.dictionary(name, tie("attribute"), { maxKeys: 3, noNullPrototype: true }),
  }),
  graph: fc.record({
    name: text,
    nodes: fc.array(tie("node"), { maxLength: 3 }),
    inputs: fc.array(
      valueInfo.map((info) => ({ ...info, name: `in ${info.name}` })),
      { maxLength: 3 },
    ),
    outputs: fc.array(valueInfo, { maxLength: 3 }),
    initializers: fc.array(fc.tuple(name, tensor), { maxLength: 3 }).map((entries) => new Map(entries)),
    valueInfo: fc.array(valueInfo, { maxLength: 3 }),
  }),
}));

const randomModel: fc.Arbitrary<Model> = fc.record({
  graph,
  irVersion: fc.integer({ min: 3, max: 10 }),
  opsets: fc.constant(
    new Map([
      ["", 21],
      ["com.microsoft", 1],
    ]),
  ),
  producerName: text,
  producerVersion: text,
  metadata: fc.array(fc.tuple(text, text), { maxLength: 3 }).map((entries) => new Map(entries)),
});

describe("encode", () => {
  it("gives back through decode whatever model it got", () => {
    fc.assert(
      fc.property(randomModel, (model) => {
        expect(decode(encode(model))).toEqual(model);
      }),
      { numRuns: 300 },
    );
  });

  it.each(fixtures)("keeps all of %s, and the same model gives the same bytes", (file) => {
    const model = decode(fixture(file));
    const bytes = encode(model);
    expect(decode(bytes)).toEqual(model);
    expect(encode(decode(bytes))).toEqual(bytes);
  });

  it("gives initializers as views of their tensors, not copies", () => {
    const data = new Float32Array(1000);
    const model = addModel(data);
    const shared = encodeChunks(model).filter((chunk) => chunk.buffer === data.buffer);
    expect(shared.map((chunk) => chunk.byteLength)).toEqual([4000]);
  });
});

describe("what other implementations say of written models", () => {
  const python = pythonWithOnnx();

  it.skipIf(python === undefined)(
    "onnx.checker accepts them and finds in them what the originals said (needs python3-onnx)",
    () => {
      const temporary = mkdtempSync(join(tmpdir(), "isonorm-onnx-"));
      try {
        const pairs = fixtures.flatMap((file) => {
          writeFileSync(join(temporary, file), encode(decode(fixture(file))));
          return [join(temporary, file), join(folder, file)];
        });
        writeFileSync(join(temporary, "own.onnx"), encode({ ...addModel(new Float32Array(4)), irVersion: 8 }));
        const said = execFileSync(
          python!,
          [join(folder, "compare_models.py"), ...pairs, join(temporary, "own.onnx"), "-"],
          {
            encoding: "utf8",
            stdio: ["ignore", "pipe", "pipe"],
          },
        );
        expect(said).toBe(`same ${fixtures.length + 1}\n`);
      } finally {
        rmSync(temporary, { recursive: true });
      }
    },
  );

  it("ONNX Runtime computes with a model of our own what it should", async () => {
    const session = await session1(encode(addModel(Float32Array.of(1, 2, 3, 4))));
    const { y } = await session.run({ x: new OrtTensor("float32", [10, 20, 30, 40]) });
    expect(y?.data).toEqual(Float32Array.of(11, 22, 33, 44));
  });

  it("ONNX Runtime computes the same with a model before and after", async () => {
    for (const x of [
      [1, 2],
      [-1, -2],
    ]) {
      const feeds = { x: new OrtTensor("float32", x) };
      for (const file of ["conditional.onnx", "old_ir.onnx"]) {
        const before = await (await session1(fixture(file))).run(feeds);
        const after = await (await session1(encode(decode(fixture(file))))).run(feeds);
        expect(after.y?.data).toEqual(before.y?.data);
      }
    }
  });

  it("ONNX Runtime finds in written constants of every type what was read", async () => {
    const model = decode(fixture("typed.onnx"));
    // Its JavaScript binding has no bfloat16.
    const isKnown = ({ name }: { name: string }) => !name.startsWith("bfloat16");
    const graph: Graph = {
      ...model.graph,
      nodes: model.graph.nodes.filter(({ inputs }) => inputs[0] !== "bfloat16"),
      outputs: model.graph.outputs.filter(isKnown),
      initializers: new Map([...model.graph.initializers].filter(([name]) => isKnown({ name }))),
    };
    const found = await (await session1(encode({ ...model, graph }))).run({});
    expect(Object.keys(found)).toHaveLength(13);
    for (const [name, value] of Object.entries(found))
      expect(value.data, name).toEqual(model.graph.initializers.get(name.replace("_out", ""))?.data);
  });
});

describe("models that cannot be written", () => {
  const node = (attributes: Record<string, Attribute>): Model => {
    const model = addModel(new Float32Array(4));
    return { ...model, graph: { ...model.graph, nodes: [{ ...model.graph.nodes[0]!, attributes }] } };
  };
  const refusal = (code: string, message: RegExp) =>
    expect.objectContaining({ code, message: expect.stringMatching(message) });

  it("are refused above 2 GiB before anything is copied", () => {
    // Zeroed pages that are never touched take no memory.
    const half = new Float32Array(2 ** 28);
    const model = addModel(half);
    const initializers = new Map([
      ...model.graph.initializers,
      ["v", { dtype: "float32", shape: [2 ** 28], data: half }],
    ]);
    const large = { ...model, graph: { ...model.graph, initializers: initializers as Map<string, Tensor> } };
    expect(() => encode(large)).toThrow(refusal("ISO_ONNX_TOO_LARGE", /needs 2147483648 bytes/));
    const inAttribute = node({ value: { kind: "tensors", value: [...initializers.values()] as Tensor[] } });
    expect(() => encode(inAttribute)).toThrow(refusal("ISO_ONNX_TOO_LARGE", /bytes/));
  });

  it("are refused where an attribute's number has no place in the file", () => {
    expect(() => encode(node({ axis: { kind: "int", value: 2 ** 53 } }))).toThrow(
      refusal("ISO_GRAPH_INVALID", /"axis" of node "add"/),
    );
    expect(() => encode(node({ axis: { kind: "ints", value: [0.5] } }))).toThrow(refusal("ISO_GRAPH_INVALID", /0\.5/));
    expect(() => encode(node({ axis: { kind: "bigint", value: 2n ** 63n } }))).toThrow(
      refusal("ISO_GRAPH_INVALID", /64-bit/),
    );
    expect(() => encode(node({ alpha: { kind: "float", value: 1e39 } }))).toThrow(
      refusal("ISO_GRAPH_INVALID", /32-bit/),
    );
  });

  it("are refused where a shape contradicts its data", () => {
    const model = addModel(new Float32Array(4));
    for (const shape of [[3], [2.5], [-1, -4]]) {
      const w: Tensor = { dtype: "float32", shape, data: new Float32Array(4) };
      expect(() => encode({ ...model, graph: { ...model.graph, initializers: new Map([["w", w]]) } })).toThrow(
        refusal("ISO_GRAPH_INVALID", /tensor "w"/),
      );
    }
  });

  it("are refused where graphs nest too deep, and written up to that depth", () => {
    expect(decode(encode(nested(maxGraphDepth)))).toEqual(nested(maxGraphDepth));
    expect(() => encode(nested(10_000))).toThrow(refusal("ISO_ONNX_UNSUPPORTED", /nested more than 64 deep/));
  });
});

/** y = x + w */
function addModel(w: Float32Array): Model {
  const vector = (name: string): ValueInfo => ({ name, dtype: "float32", shape: [w.length] });
  return {
    graph: {
      name: "add",
      nodes: [{ op: "Add", domain: "", name: "add", inputs: ["x", "w"], outputs: ["y"], attributes: {} }],
      inputs: [vector("x")],
      outputs: [vector("y")],
      initializers: new Map([["w", { dtype: "float32", shape: [w.length], data: w }]]),
      valueInfo: [],
    },
    irVersion: 8,
    opsets: new Map([["", 17]]),
    producerName: "isonorm",
    producerVersion: "",
    metadata: new Map([["task", "test"]]),
  };
}

function nested(depth: number): Model {
  const model = addModel(new Float32Array(1));
  const empty = { ...model.graph, nodes: [], initializers: new Map() };
  let graph: Graph = empty;
  for (let level = 0; level < depth; level++)
    graph = {
      ...empty,
      nodes: [
        {
          op: "Loop",
          domain: "",
          name: "",
          inputs: [],
          outputs: [],
          attributes: { body: { kind: "graph", value: graph } },
        },
      ],
    };
  return { ...model, graph };
}

function session1(bytes: Uint8Array): Promise<InferenceSession> {
  return InferenceSession.create(bytes, { intraOpNumThreads: 1, interOpNumThreads: 1 });
}

function pythonWithOnnx(): string | undefined {
  try {
    execFileSync("/usr/bin/python3", ["-c", "import onnx"], { stdio: "ignore" });
    return "/usr/bin/python3";
  } catch {
    return undefined;
  }
}
