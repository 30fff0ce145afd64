import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IsonormError } from "../errors.js";
import { decode } from "./decode.js";
import { encode } from "./encode.js";
import {
  AttributeProto,
  attributeType,
  GraphProto,
  type Message,
  ModelProto,
  NodeProto,
  TensorProto,
} from "./schema.js";
import { lengthPrefix, writeMessage } from "./wire.js";

const fixture = (name: string) => readFileSync(new URL(`../../test/fixtures/onnx/${name}`, import.meta.url));
const fixtures = ["typed.onnx", "raw.onnx", "attributes.onnx", "conditional.onnx", "external/inside.onnx"];

const refusal = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });
const malformed = (message: RegExp) => refusal("ISO_ONNX_MALFORMED", message);
const ascii = (text: string) => new TextEncoder().encode(text);

type TensorFields = Partial<Message<typeof TensorProto>>;

function modelOfGraph(graph: Uint8Array): Uint8Array {
  return writeMessage(ModelProto, { irVersion: 8n, graph });
}

/** A model with these initializers, of which `extra` are fields that the schema leaves out. */
function modelOfTensors(...tensors: readonly (TensorFields & { extra?: Uint8Array })[]): Uint8Array {
  const initializer = tensors.map(({ extra = new Uint8Array(0), ...fields }) =>
    Uint8Array.of(...writeMessage(TensorProto, { name: "w", ...fields }), ...extra),
  );
  return modelOfGraph(writeMessage(GraphProto, { name: "g", initializer }));
}

describe("files that are no ONNX model", () => {
  it.each([
    ["a PNG image", Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13)],
    ["a zip archive", Uint8Array.of(0x50, 0x4b, 3, 4, 20, 0, 0, 0, 8, 0)],
    ["a pickle", Uint8Array.of(0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc)],
    ["a pickle", Uint8Array.of(0x80, 0x04, 0x95, 0x10, 0, 0, 0, 0, 0, 0, 0, 0x8c)],
    ["a text file", ascii("epoch,loss\n1,0.5\n2,0.25\n")],
    ["a JSON file", ascii('{"model": []}')],
    ["an HTML page", ascii("<!DOCTYPE html><html><body>Sign in</body></html>")],
    ["an XML file", ascii('<?xml version="1.0"?><net/>')],
    ["a Git LFS pointer", ascii("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")],
    ["a safetensors file", ascii('\x40\0\0\0\0\0\0\0{"w":{"dtype":"F32"}}')],
    ["a file of zeros", new Uint8Array(1000)],
  ])("are told by name: %s", (name, bytes) => {
    expect(() => decode(bytes, { source: "m.onnx" })).toThrow(
      malformed(new RegExp(`^m\\.onnx: .*no ONNX model.*${name}`)),
    );
  });

  it("are refused when they are empty, or protobuf of another kind", () => {
    expect(() => decode(new Uint8Array(0))).toThrow(malformed(/the file is empty/));
    expect(() => decode(writeMessage(ModelProto, { producerName: "someone" }))).toThrow(malformed(/no graph/));
    expect(() => decode(writeMessage(ModelProto, { graph: new Uint8Array(0) }))).toThrow(malformed(/IR version 0/));
  });

  it("are refused above the size asked for", () => {
    expect(() => decode(fixture("raw.onnx"), { maxBytes: 100 })).toThrow(
      refusal("ISO_ONNX_TOO_LARGE", /more than 100/),
    );
  });
});

describe("tensors whose data do not fit what they claim", () => {
  const float32 = 1;

  it("are refused by name when the data are too short or too long", () => {
    const rawData = new Uint8Array(16);
    expect(() => decode(modelOfTensors({ dataType: float32, dims: [5n], rawData }))).toThrow(
      malformed(/tensor "w" of type float32 and shape \[5\] needs 5 elements, but holds 16 bytes instead of 20/),
    );
    expect(() => decode(modelOfTensors({ dataType: float32, dims: [3n], rawData }))).toThrow(malformed(/tensor "w"/));
    expect(() => decode(modelOfTensors({ dataType: float32, dims: [3n] }))).toThrow(malformed(/holds 0/));
    expect(() => decode(modelOfTensors({ dataType: 8, dims: [3n], stringData: [ascii("a")] }))).toThrow(
      malformed(/holds 1/),
    );
    // int32_data: field 5, packed, the numbers 1, 2, 3.
    const extra = Uint8Array.of(0x2a, 3, 1, 2, 3);
    expect(decode(modelOfTensors({ dataType: 6, dims: [3n], extra })).graph.initializers.get("w")?.data).toEqual(
      Int32Array.of(1, 2, 3),
    );
    expect(() => decode(modelOfTensors({ dataType: 6, dims: [2n], extra }))).toThrow(
      malformed(/needs 2 elements, but holds 3/),
    );
    expect(() => decode(modelOfTensors({ dataType: float32, dims: [3n], extra }))).toThrow(malformed(/holds 0/));
  });

  it("are refused without taking the memory that their shape claims", () => {
    const small = { dataType: float32, rawData: new Uint8Array(16) };
    for (const dims of [[2n ** 40n], [2n ** 20n, 2n ** 20n], [2n ** 63n - 1n], [2n ** 52n, 2n ** 52n, 2n ** 52n]]) {
      expect(() => decode(modelOfTensors({ ...small, dims }))).toThrow(malformed(/tensor "w"/));
      expect(() => decode(modelOfTensors({ dataType: float32, dims }))).toThrow(malformed(/tensor "w"/));
    }
    expect(
      decode(modelOfTensors({ dataType: float32, dims: [2n ** 40n, 0n] })).graph.initializers.get("w")?.data,
    ).toHaveLength(0);
  });

  it("are refused for negative dimensions, numbers out of their type's range and unknown types", () => {
    expect(() => decode(modelOfTensors({ dataType: float32, dims: [-1n] }))).toThrow(malformed(/tensor "w".*-1/));
    const extra = Uint8Array.of(0x28, 0x80, 0x02); // int32_data: 256
    expect(() => decode(modelOfTensors({ dataType: 2, dims: [1n], extra }))).toThrow(
      malformed(/tensor "w" of type uint8.* 256/),
    );
    expect(() => decode(modelOfTensors({ dataType: 14, dims: [1n] }))).toThrow(
      refusal("ISO_ONNX_UNSUPPORTED", /"w".*complex64/),
    );
  });

  it("read unpacked number lists too, as protobuf asks", () => {
    const extra = Uint8Array.of(0x28, 7, 0x2a, 2, 8, 9); // 7 on its own, 8 and 9 packed
    expect(decode(modelOfTensors({ dataType: 3, dims: [3n], extra })).graph.initializers.get("w")?.data).toEqual(
      Int8Array.of(7, 8, 9),
    );
  });

  it("are refused when two have the same name, or one has none", () => {
    const w = { dataType: float32, dims: [0n] };
    expect(() => decode(modelOfTensors(w, w))).toThrow(malformed(/two initializers are named "w"/));
    expect(() => decode(modelOfTensors({ ...w, name: "" }))).toThrow(malformed(/has no name/));
  });

  it("are refused when strings are no UTF-8, which a string would not keep", () => {
    const stringData = [Uint8Array.of(0xff, 0xfe)];
    expect(() => decode(modelOfTensors({ dataType: 8, dims: [1n], stringData }))).toThrow(
      refusal("ISO_ONNX_UNSUPPORTED", /UTF-8/),
    );
  });
});

describe("damaged structure", () => {
  it("graphs nested 10,000 deep are refused, not followed", () => {
    // Each level: node > attribute "g" of type GRAPH > graph. Prefixes are written from the innermost outwards.
    const attribute = writeMessage(AttributeProto, { name: "g", type: attributeType.graph });
    const pieces: Uint8Array[] = [];
    let length = 0;
    const push = (piece: Uint8Array) => {
      pieces.push(piece);
      length += piece.length;
    };
    for (let level = 0; level < 10_000; level++) {
      push(lengthPrefix(AttributeProto.g.number, length));
      push(attribute);
      push(lengthPrefix(NodeProto.attribute.number, length));
      push(lengthPrefix(GraphProto.node.number, length));
    }
    const graph = Buffer.concat(pieces.reverse());
    expect(() => decode(modelOfGraph(graph))).toThrow(refusal("ISO_ONNX_UNSUPPORTED", /nested more than 64 deep/));
  });

  it("unknown fields of every wire type are skipped, groups included", () => {
    const known = fixture("raw.onnx");
    const unknown = [
      0x98, 0x06, 1, 0x99, 0x06, 1, 2, 3, 4, 5, 6, 7, 8, 0x9a, 0x06, 2, 1, 2, 0x9b, 0x06, 0x08, 5, 0x9c, 0x06, 0x9d,
      0x06, 1, 2, 3, 4,
    ];
    expect(decode(Uint8Array.of(...unknown, ...known))).toEqual(decode(known));
    // Groups inside groups, 100,000 deep.
    expect(() => decode(new Uint8Array(200_000).map((_, at) => [0x9b, 0x06][at % 2]!))).toThrow(malformed(/damaged/));
  });

  it("a graph that stands there twice is refused, since one of them would be lost", () => {
    const graph = writeMessage(GraphProto, { name: "g" });
    expect(() => decode(Uint8Array.of(...modelOfGraph(graph), ...writeMessage(ModelProto, { graph })))).toThrow(
      malformed(/twice/),
    );
  });

  it("a file with more fields than allowed is refused before they fill the memory", () => {
    const nodes = (count: number) =>
      modelOfGraph(writeMessage(GraphProto, { node: Array(count).fill(new Uint8Array(0)) }));
    expect(decode(nodes(900), { maxFields: 1000 }).graph.nodes).toHaveLength(900);
    expect(() => decode(nodes(1100), { maxFields: 1000 })).toThrow(refusal("ISO_ONNX_TOO_LARGE", /more fields/));
    const ints = writeMessage(AttributeProto, { name: "axes", ints: Array(1100).fill(1n) });
    const graph = writeMessage(GraphProto, { node: [writeMessage(NodeProto, { attribute: [ints] })] });
    expect(() => decode(modelOfGraph(graph), { maxFields: 1000 })).toThrow(
      refusal("ISO_ONNX_TOO_LARGE", /more fields/),
    );
  });

  it("the position in the file is named", () => {
    const whole = fixture("raw.onnx");
    const shifted = Buffer.concat([Buffer.alloc(3), whole]).subarray(3, 3 + 700);
    expect(() => decode(shifted)).toThrow(malformed(/truncated or damaged near byte 700 /));
  });
});

describe("any truncation or damage", () => {
  it.each(fixtures)("of %s ends in a model or a coded error, within a second", (file) => {
    const whole = new Uint8Array(fixture(file));
    for (let length = 0; length < whole.length; length++) outcome(whole.slice(0, length));
    const edits = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 })), {
      minLength: 1,
      maxLength: 8,
    });
    fc.assert(
      fc.property(edits, fc.option(fc.nat(whole.length)), (changes, cut) => {
        const bytes = whole.slice(0, cut ?? whole.length);
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        const model = outcome(bytes);
        // What was read can be written, and reads the same.
        if (model) expect(decode(encode(model))).toEqual(model);
      }),
      { numRuns: 400 },
    );
  });

  it("of random bytes ends in a coded error, too", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        outcome(bytes);
      }),
      { numRuns: 2000 },
    );
  });
});

function outcome(bytes: Uint8Array): ReturnType<typeof decode> | undefined {
  const start = performance.now();
  try {
    return decode(bytes, { externalData: (_, __, length) => new Uint8Array(Math.min(length, 1000)) });
  } catch (error) {
    if (!(error instanceof IsonormError)) throw error;
    return undefined;
  } finally {
    expect(performance.now() - start).toBeLessThan(1000);
  }
}
