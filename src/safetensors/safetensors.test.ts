import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IsonormError } from "../errors.js";
import { type DataType, elementCount, elementSize, onnxDataType, type Tensor, tensorOverBytes } from "../onnx/index.js";
import { decodeSafetensors, encodeSafetensors, safetensorsChunks } from "./index.js";

const refusal = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });
const malformed = (message: RegExp) => refusal("ISO_CHECKPOINT_MALFORMED", message);

/** A file with that header, its length as it should be, and that many bytes of data. */
function file(header: unknown, dataBytes = 0): Uint8Array {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

const numericTypes = (Object.keys(onnxDataType) as DataType[]).filter((dtype) => dtype !== "string");
const tensor: fc.Arbitrary<Tensor> = fc
  .record({
    dtype: fc.constantFrom(...numericTypes),
    shape: fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }),
  })
  .chain(({ dtype, shape }) => {
    const bytes = elementCount(shape) * elementSize[dtype];
    return fc
      .uint8Array({ minLength: bytes, maxLength: bytes })
      .map((raw) => tensorOverBytes(dtype as Exclude<DataType, "string">, shape, raw.slice()));
  });
const text = fc.string({ unit: "binary", maxLength: 10 });
const tensors = fc
  .array(
    fc.tuple(
      text.filter((name) => name !== "__metadata__"),
      tensor,
    ),
    { maxLength: 6 },
  )
  .map((entries) => new Map(entries));
const metadata = fc.dictionary(text, text, { noNullPrototype: true });

describe("safetensors", () => {
  it("writes the format's bytes: header length, padded JSON, data without gaps, widest elements first", () => {
    const bytes = encodeSafetensors(
      new Map<string, Tensor>([
        ["b", { dtype: "uint8", shape: [3], data: Uint8Array.of(1, 2, 3) }],
        ["a", { dtype: "float16", shape: [1, 1], data: Uint16Array.of(0x3c00) }],
        ["s", { dtype: "float32", shape: [], data: Float32Array.of(-2) }],
      ]),
      { epoch: "3" },
    );
    const length = new DataView(bytes.buffer).getUint32(0, true);
    expect(length % 8).toBe(0);
    expect(new DataView(bytes.buffer).getUint32(4, true)).toBe(0);
    const header = new TextDecoder().decode(bytes.subarray(8, 8 + length));
    expect(header.trimEnd()).toBe(
      '{"__metadata__":{"epoch":"3"},' +
        '"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]},' +
        '"a":{"dtype":"F16","shape":[1,1],"data_offsets":[4,6]},' +
        '"b":{"dtype":"U8","shape":[3],"data_offsets":[6,9]}}',
    );
    expect([...bytes.subarray(8 + length)]).toEqual([0, 0, 0, 0xc0, 0x00, 0x3c, 1, 2, 3]);
  });

  it("reads a file that another writer made, with its tensors in any order and nowhere aligned", () => {
    const header = {
      z: { dtype: "U8", shape: [1], data_offsets: [0, 1] },
      w: { dtype: "F64", shape: [1], data_offsets: [1, 9] },
    };
    const bytes = file(header, 9);
    new DataView(bytes.buffer).setFloat64(bytes.length - 8, Math.PI, true);
    bytes[bytes.length - 9] = 7;
    expect(decodeSafetensors(bytes)).toEqual({
      tensors: new Map<string, Tensor>([
        ["z", { dtype: "uint8", shape: [1], data: Uint8Array.of(7) }],
        ["w", { dtype: "float64", shape: [1], data: Float64Array.of(Math.PI) }],
      ]),
      metadata: {},
    });
  });

  it("gives back whatever it got, bit for bit, wherever the bytes lie", () => {
    fc.assert(
      fc.property(tensors, metadata, fc.nat(7), (map, meta, shift) => {
        const encoded = encodeSafetensors(map, meta);
        const moved = new Uint8Array(encoded.length + shift).subarray(shift);
        moved.set(encoded);
        expect(decodeSafetensors(moved)).toEqual({ tensors: map, metadata: meta });
      }),
      { numRuns: 200 },
    );
  });

  it("gives the same bytes for the same tensors in any order", () => {
    fc.assert(
      fc.property(tensors, (map) => {
        expect(encodeSafetensors(new Map([...map].reverse()))).toEqual(encodeSafetensors(map));
      }),
    );
  });

  it("gives chunks that view the tensors and join to the whole file", () => {
    const w: Tensor = { dtype: "float32", shape: [1000], data: new Float32Array(1000).fill(3) };
    const map = new Map<string, Tensor>([
      ["w", w],
      ["n", { dtype: "int64", shape: [1], data: BigInt64Array.of(-1n) }],
    ]);
    const chunks = [...safetensorsChunks(map)];
    expect(chunks.filter((chunk) => chunk.buffer === w.data.buffer)).toHaveLength(1);
    expect(new Uint8Array(Buffer.concat(chunks))).toEqual(encodeSafetensors(map));
  });

  it("refuses tensors that the format has no place for", () => {
    const refuse = (name: string, value: Tensor) => expect(() => encodeSafetensors(new Map([[name, value]])));
    refuse("s", { dtype: "string", shape: [1], data: ["a"] }).toThrow(refusal("ISO_ARGUMENT", /"s".*strings/));
    refuse("w", { dtype: "float32", shape: [3], data: new Float32Array(2) }).toThrow(
      refusal("ISO_ARGUMENT", /\[3\].*2 elements/),
    );
    refuse("__metadata__", { dtype: "uint8", shape: [0], data: new Uint8Array(0) }).toThrow(
      refusal("ISO_ARGUMENT", /metadata/),
    );
  });
});

describe("files that break the format", () => {
  const entry = (offsets: unknown, shape: unknown = [2], dtype: unknown = "F32") => ({
    dtype,
    shape,
    data_offsets: offsets,
  });

  it.each<[string, Uint8Array, RegExp]>([
    ["empty", new Uint8Array(0), /has 0 bytes/],
    ["shorter than its header's length", Uint8Array.of(1, 2, 3), /has 3 bytes/],
    [
      "a header longer than the file",
      Uint8Array.of(200, 0, 0, 0, 0, 0, 0, 0, 0x7b),
      /claims 200 bytes, but the file has only 1/,
    ],
    ["a header of 2^63 bytes", Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0x80), /claims 9223372036854775808 bytes/],
    ["a header that is no JSON", file("{oops"), /no JSON/],
    ["a header that is no UTF-8", Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0xff), /no JSON/],
    ["a header that is a list", file([]), /no JSON object/],
    ["a header nested 100,000 deep", file(`${"[".repeat(100_000)}${"]".repeat(100_000)}`), /header/],
    ["a tensor that is no object", file({ w: 3 }), /"w" is described by 3/],
    ["an unknown element type", file({ w: entry([0, 8], [2], "F8_E4M3") }, 8), /"w" has the element type "F8_E4M3"/],
    ["no element type", file({ w: { shape: [2], data_offsets: [0, 8] } }, 8), /"w" has the element type/],
    ["a negative dimension", file({ w: entry([0, 8], [-2]) }, 8), /"w" has the shape \[-2\]/],
    ["a broken dimension", file({ w: entry([0, 8], [1.5]) }, 8), /"w" has the shape/],
    ["three offsets", file({ w: entry([0, 8, 9]) }, 8), /"w" has the offsets/],
    ["offsets that run backwards", file({ w: entry([8, 0]) }, 8), /"w" has the offsets/],
    ["offsets that do not fit the shape", file({ w: entry([0, 4]) }, 4), /needs 8 bytes, but has 4/],
    ["a shape beyond any file", file({ w: entry([0, 8], [2 ** 40, 2 ** 40]) }, 8), /needs .* bytes, but has 8/],
    ["truncated data", file({ w: entry([0, 8]) }, 7), /"w" ends at 8, but the file holds only 7/],
    ["bytes after the last tensor", file({ w: entry([0, 8]) }, 9), /1 bytes follow/],
    ["a gap", file({ a: entry([0, 8]), b: entry([12, 20]) }, 20), /"b" starts at 12, but the data before it end at 8/],
    [
      "an overlap",
      file({ a: entry([0, 8]), b: entry([4, 12]) }, 12),
      /"b" starts at 4, but the data before it reach 8/,
    ],
    ["metadata that are no strings", file({ __metadata__: { epoch: 3 } }), /metadata entry "epoch"/],
    ["metadata that are no object", file({ __metadata__: "x" }), /metadata are no JSON object/],
  ])("are refused: %s", (_, bytes, message) => {
    expect(() => decodeSafetensors(bytes, { source: "c.safetensors" })).toThrow(malformed(message));
    expect(() => decodeSafetensors(bytes, { source: "c.safetensors" })).toThrow(/^c\.safetensors: /);
  });

  it("are refused at every truncation, and any damage ends in tensors or a coded error", () => {
    const whole = encodeSafetensors(
      new Map<string, Tensor>([
        ["w", { dtype: "float32", shape: [2, 3], data: new Float32Array(6) }],
        ["n", { dtype: "int64", shape: [1], data: BigInt64Array.of(5n) }],
      ]),
      { epoch: "1" },
    );
    for (let length = 0; length < whole.length; length++)
      expect(() => decodeSafetensors(whole.slice(0, length))).toThrow(IsonormError);
    const edits = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 })), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(edits, (changes) => {
        const bytes = whole.slice();
        for (const [at, value] of changes) bytes[at] = value;
        try {
          decodeSafetensors(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(IsonormError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
