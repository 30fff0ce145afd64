import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decode } from "../decode.js";
import { readModel, writeModel } from "./index.js";

const fixtures = fileURLToPath(new URL("../../../test/fixtures/onnx/", import.meta.url));
const refusal = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "isonorm-model-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A folder with the fixture of that name as model.onnx. */
function place(fixture: string): string {
  const place = mkdtempSync(join(folder, "case-"));
  copyFileSync(join(fixtures, "external", fixture), join(place, "model.onnx"));
  return place;
}

describe("readModel", () => {
  it("reads tensors from a data file in the model's folder", () => {
    const { initializers } = readModel(join(fixtures, "external/inside.onnx")).graph;
    expect(initializers.get("w")).toEqual({ dtype: "float32", shape: [4], data: Float32Array.of(0, 1, 2, 3) });
    expect(initializers.get("b")).toEqual({ dtype: "float32", shape: [4], data: Float32Array.of(10, 11, 12, 13) });
  });

  it.each([
    ["outside.onnx", /keeps data in "\.\.\/outside\.bin", which is outside its folder/],
    ["absolute.onnx", /keeps data in "\/etc\/hostname", which is outside/],
    ["too_short.onnx", /bytes 24 to 40 of the data file "weights\.bin" .* only 32/],
    ["missing.onnx", /cannot read the data file "nowhere\.bin": ENOENT/],
  ])("refuses external data that is not there: %s", (name, message) => {
    expect(() => readModel(join(fixtures, "external", name))).toThrow(refusal("ISO_ONNX_EXTERNAL_DATA", message));
  });

  it("follows symbolic links, and refuses those that lead outside", () => {
    const place1 = place("inside.onnx");
    symlinkSync(join(fixtures, "external/weights.bin"), join(place1, "weights.bin"));
    expect(() => readModel(join(place1, "model.onnx"))).toThrow(refusal("ISO_ONNX_EXTERNAL_DATA", /outside/));

    const place2 = place("inside.onnx");
    mkdirSync(join(place2, "data"));
    copyFileSync(join(fixtures, "external/weights.bin"), join(place2, "data/w.bin"));
    symlinkSync("data/w.bin", join(place2, "weights.bin"));
    expect(readModel(join(place2, "model.onnx")).graph.initializers.get("w")?.data).toEqual(
      Float32Array.of(0, 1, 2, 3),
    );

    // A model folder that is a link itself is no way outside.
    symlinkSync(place2, join(folder, "linked"));
    expect(readModel(join(folder, "linked/model.onnx")).graph.nodes).toHaveLength(2);
  });

  it.skipIf(process.platform === "win32")(
    "does not wait on a pipe that stands for the model or its data (no pipes on Windows)",
    () => {
      const at = place("inside.onnx");
      execFileSync("mkfifo", [join(at, "weights.bin"), join(at, "pipe.onnx")]);
      expect(() => readModel(join(at, "model.onnx"))).toThrow(refusal("ISO_ONNX_EXTERNAL_DATA", /no regular file/));
      expect(() => readModel(join(at, "pipe.onnx"))).toThrow(refusal("ISO_MODEL_UNREADABLE", /no regular file/));
    },
  );

  it("names the file in whatever is wrong with it", () => {
    expect(() => readModel(join(folder, "none.onnx"))).toThrow(refusal("ISO_MODEL_UNREADABLE", /none\.onnx: ENOENT/));
    expect(() => readModel(folder)).toThrow(refusal("ISO_MODEL_UNREADABLE", /it is a folder/));
    const truncated = join(folder, "truncated.onnx");
    writeFileSync(truncated, readFileSync(join(fixtures, "raw.onnx")).subarray(0, 500));
    expect(() => readModel(truncated)).toThrow(
      refusal("ISO_ONNX_MALFORMED", /truncated\.onnx: the file is truncated or damaged near byte 500/),
    );
  });
});

describe("writeModel", () => {
  it("writes what readModel reads, and leaves nothing else behind", () => {
    const at = mkdtempSync(join(folder, "written-"));
    const model = decode(readFileSync(join(fixtures, "conditional.onnx")));
    for (let time = 0; time < 2; time++) {
      writeModel(join(at, "m.onnx"), model);
      expect(readModel(join(at, "m.onnx"))).toEqual(model);
    }
    expect(readdirSync(at)).toEqual(["m.onnx"]);
  });

  it("keeps a model with external data whole in one file", () => {
    const at = join(folder, "whole.onnx");
    const model = readModel(join(fixtures, "external/inside.onnx"));
    writeModel(at, model);
    expect(decode(readFileSync(at))).toEqual(model);
  });

  it("writes nothing where the model cannot be encoded", () => {
    const at = join(folder, "impossible.onnx");
    const model = readModel(join(fixtures, "old_ir.onnx"));
    const w = { dtype: "float32", shape: [3], data: new Float32Array(2) } as const;
    const graph = { ...model.graph, initializers: new Map([["w", w]]) };
    expect(() => writeModel(at, { ...model, graph })).toThrow(refusal("ISO_GRAPH_INVALID", /"w"/));
    expect(existsSync(at)).toBe(false);
  });
});
