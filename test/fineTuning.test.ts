import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import type { TrainedRun, TrainingEvent } from "../src/index.js";
import { decode, encode, type Tensor } from "../src/onnx/index.js";
import { isonorm as command, doneOf } from "./cli/isonorm.js";

const isonorm = (await import(join(inject("build"), "index.js"))) as typeof import("../src/index.js");
const { data, models, search, train } = isonorm;

const folder = mkdtempSync(join(tmpdir(), "isonorm-test-"));
process.env.XDG_CACHE_HOME = join(folder, "cache");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Pictures of 10x10 with a bright stripe: its direction or its place is the class. */
function stripes(classes: readonly string[], kind: (label: number, x: number, y: number) => boolean, count = 160) {
  const labels = Array.from({ length: count }, (_, i) => i % classes.length);
  const records = Uint8Array.from({ length: count * 100 }, (_, i) => {
    const [example, x, y] = [Math.floor(i / 100), i % 10, Math.floor(i / 10) % 10];
    const noise = (i * 7919 + example * 104729) % 89;
    return noise + (kind(labels[example]!, x, y) ? 140 : 10);
  });
  return data.arrays({
    records,
    labels,
    classes: [...classes],
    input: { kind: "image", height: 10, width: 10, channels: 1 },
  });
}
const directions = stripes(["down", "across"], (label, x, y) => (label === 0 ? x : y) % 5 === 2);
const places = stripes(["left", "right", "top"], (label, x, y) => (label === 2 ? y < 3 : label === 0 ? x < 3 : x > 6));

const settings = { threads: 1, seed: 3, batchSize: 16 } as const;
const weightsOf = (out: string): ReadonlyMap<string, Tensor> =>
  decode(readFileSync(join(out, "model.onnx"))).graph.initializers;
const numbersOf = (out: string, name: string): Float32Array => weightsOf(out).get(name)!.data as Float32Array;
/** Names of the weights and statistics that are not the same in both runs' models. */
const changed = (before: string, after: string): readonly string[] => {
  const now = weightsOf(after);
  return [...weightsOf(before).keys()].filter(
    (name) => now.has(name) && numbersOf(before, name).some((value, i) => value !== numbersOf(after, name)[i]),
  );
};

const first = join(folder, "first");
const file = join(first, "model.onnx");
beforeAll(async () => {
  await train({
    ...settings,
    data: directions,
    model: models.convnet({ width: 4 }),
    epochs: 8,
    augmentation: "none",
    out: first,
  });
});

async function trainOn(
  options: Parameters<typeof models.fromOnnx>[1],
  out: string,
  more = {},
): Promise<{ run: TrainedRun; events: TrainingEvent[] }> {
  const events: TrainingEvent[] = [];
  const model = models.fromOnnx(file, options);
  const run = await train({
    ...settings,
    data: places,
    model,
    epochs: 20,
    out,
    ...more,
    onEvent: (event) => events.push(event),
  });
  return { run, events };
}
const of = <K extends TrainingEvent["event"]>(events: readonly TrainingEvent[], kind: K) =>
  events.filter((event): event is Extract<TrainingEvent, { event: K }> => event.event === kind);

test("the head alone is trained on features that are computed once, ever", async () => {
  const out = join(folder, "head");
  const { run, events } = await trainOn({ train: "head" }, out);
  expect(of(events, "import")).toMatchObject([
    { features: 16, trained: 1, weights: 19, normalization: "what the model was trained with", foldedConvolutions: 0 },
  ]);
  expect(of(events, "preparing").some(({ what }) => what === "features")).toBe(true);
  expect(run.test!.accuracy).toBeGreaterThan(0.9);
  // Everything else is as it was.
  expect(
    changed(first, out).filter((name) => !name.startsWith("classifier") && !name.startsWith("preprocess")),
  ).toEqual([]);
  // The scale and label smoothing of a classifier alone, by its features and examples.
  const { settings, examples } = JSON.parse(readFileSync(join(out, "run.json"), "utf8"));
  const many = Math.cbrt(examples.train);
  expect(settings.scale).toBeCloseTo(4.5 * many * Math.sqrt(3 / 16), 9);
  expect(settings.labelSmoothing).toBeCloseTo(Math.min(0.2, 0.45 / many), 12);
  const again = await trainOn({ train: "head" }, join(folder, "again"));
  expect(of(again.events, "preparing").some(({ what }) => what === "features")).toBe(false);
  expect(again.run.validation).toEqual(run.validation);
});

test("the last layers alone are trained, with augmentation", async () => {
  const out = join(folder, "last");
  const { run } = await trainOn({ train: "last:2" }, out, { augmentation: { crop: 1 } });
  const { settings } = JSON.parse(readFileSync(join(out, "run.json"), "utf8"));
  expect(settings).toMatchObject({ scale: 2.5 * Math.sqrt(3), labelSmoothing: 0 });
  expect(run.test!.accuracy).toBeGreaterThan(0.9);
  expect(
    changed(first, out)
      .filter((name) => /^stage/.test(name))
      .sort(),
  ).toEqual(
    ["bias", "running_mean", "running_var", "weight"]
      .map((each) => `stage3.layer2.bn.${each}`)
      .concat("stage3.layer2.conv.weight"),
  );
});

test("features a million times too large do not keep the last layers from learning", async () => {
  const large = join(folder, "large.onnx");
  const { graph, ...model } = decode(readFileSync(file));
  const grown = new Map(
    [...graph.initializers].map(([name, tensor]) =>
      /^stage3\.layer2\.bn\.(weight|bias)$/.test(name)
        ? [name, { ...tensor, data: (tensor.data as Float32Array).map((value) => 1e6 * value) } as Tensor]
        : [name, tensor],
    ),
  );
  writeFileSync(large, encode({ ...model, graph: { ...graph, initializers: grown }, metadata: new Map() }));
  const out = join(folder, "large");
  const network = models.fromOnnx(large, { train: "last:2" });
  const run = await train({ ...settings, data: places, model: network, epochs: 20, augmentation: { crop: 1 }, out });
  expect(run.test!.accuracy).toBeGreaterThan(0.9);
  // The numbers that standardise them stay, as they were measured.
  const { nodes } = decode(readFileSync(join(out, "model.onnx"))).graph;
  expect(nodes.map(({ name }) => name)).toContain("classifier/standardized");
});

test("all of it is trained, old weights slower than new ones", async () => {
  const moved = async (pretrainedRate: number): Promise<number> => {
    const out = join(folder, `all ${pretrainedRate}`);
    const { run } = await trainOn({ pretrainedRate }, out, { epochs: 3 });
    expect(run.validation.accuracy).toBeGreaterThan(0.3);
    const name = "stage2.layer1.conv.weight";
    const [old, now] = [numbersOf(first, name), numbersOf(out, name)];
    return Math.hypot(...old.map((value, i) => value - now[i]!));
  };
  const [fast, slow] = [await moved(1), await moved(0.01)];
  expect(slow).toBeGreaterThan(0);
  expect(slow).toBeLessThan(fast / 10);
});

test("a search finds the learning rate of a head", async () => {
  const study = await search({
    ...settings,
    data: places,
    model: models.fromOnnx(file, { train: "head" }),
    epochs: 16,
    out: join(folder, "search"),
  });
  expect(study.best.test!.accuracy).toBeGreaterThan(0.9);
});

test("a model from PyTorch is fine-tuned on the command line", async () => {
  // Its classes are 7, its input 3 colours: the grey images of the data are repeated.
  const foreign = join(import.meta.dirname, "fixtures/pytorch/depthwise.onnx");
  const idx = mkdtempSync(join(folder, "idx-"));
  const header = (...numbers: number[]) => {
    const bytes = Buffer.alloc(4 * numbers.length);
    for (const [i, number] of numbers.entries()) bytes.writeUInt32BE(number, 4 * i);
    return bytes;
  };
  const side = 12;
  const pixels = Uint8Array.from(
    { length: 60 * side * side },
    (_, i) => ((i * 31) % 60) + (Math.floor(i / side ** 2) % 2 ? (i % side) * 15 : 0),
  );
  writeFileSync(join(idx, "train-images-idx3-ubyte"), Buffer.concat([header(0x803, 60, side, side), pixels]));
  writeFileSync(
    join(idx, "train-labels-idx1-ubyte"),
    Buffer.concat([header(0x801, 60), Uint8Array.from({ length: 60 }, (_, i) => i % 2)]),
  );
  const ran = await command(
    "train",
    idx,
    "--model",
    foreign,
    "--epochs",
    "6",
    "--out",
    join(folder, "foreign"),
    "--json",
  );
  expect(ran.stderr).not.toContain("error");
  expect(doneOf(ran)).toMatchObject({ validation: { accuracy: 1 } });
  expect(decode(readFileSync(join(folder, "foreign", "model.onnx"))).graph.outputs.map(({ name }) => name)).toEqual([
    "logits",
    "probabilities",
  ]);
});

test("what makes no sense is refused before training", async () => {
  const digits = join(import.meta.dirname, "../examples/digits");
  const refusal = async (...args: string[]) => {
    const { status, stderr } = await command("train", digits, "--out", join(folder, "refused"), ...args);
    expect(status).toBe(2);
    return stderr;
  };
  await expect(
    train({ ...settings, data: places, model: "convnet", train: "head", out: join(folder, "refused") }),
  ).rejects.toThrow(expect.objectContaining({ code: "ISO_ARGUMENT" }));
  expect(await refusal("--train", "head")).toMatch(/error ISO_ARGUMENT: --train is for models from an .onnx file/);
  expect(await refusal("--model", "missing.onnx")).toMatch(/error ISO_MODEL_UNREADABLE.*missing.onnx/);
  expect(await refusal("--model", file)).toMatch(/error ISO_MODEL_UNSUITABLE/);
  const bytes = readFileSync(file);
  const cut = join(folder, "cut.onnx");
  writeFileSync(cut, bytes.subarray(0, bytes.length / 2));
  expect(await refusal("--model", cut)).toMatch(/error ISO_ONNX_MALFORMED/);
  const model = decode(bytes);
  const [node] = model.graph.nodes;
  const hostile = async (change: (graph: typeof model.graph) => Partial<typeof model.graph>): Promise<string> => {
    const path = join(folder, "hostile.onnx");
    writeFileSync(path, encode({ ...model, graph: { ...model.graph, ...change(model.graph) }, metadata: new Map() }));
    return refusal("--model", path);
  };
  const kernel = "stage1.layer1.conv.weight";
  expect(
    await hostile(({ inputs }) => ({
      inputs: inputs.map((input) => ({ ...input, shape: ["n", 2 ** 40, 2 ** 40, 1] })),
    })),
  ).toMatch(/error ISO_MODEL_UNSUITABLE.*1099511627776/);
  expect(
    await hostile(({ initializers }) => ({
      initializers: new Map([...initializers].filter(([name]) => name !== kernel)),
    })),
  ).toMatch(new RegExp(`error ISO_GRAPH_INVALID.*${kernel}`));
  const { shape } = model.graph.initializers.get(kernel)!;
  const integers = { dtype: "int64", shape, data: new BigInt64Array(36) } as const;
  expect(
    await hostile(({ initializers }) => ({ initializers: new Map([...initializers, [kernel, integers]]) })),
  ).toMatch(/error ISO_(GRAPH_SHAPE|MODEL_UNSUITABLE)/);
  const cyclic = join(folder, "cyclic.onnx");
  const graph = {
    ...model.graph,
    nodes: [{ ...node!, inputs: [model.graph.nodes.at(-1)!.outputs[0]!] }, ...model.graph.nodes.slice(1)],
  };
  writeFileSync(cyclic, encode({ ...model, graph, metadata: new Map() }));
  expect(await refusal("--model", cyclic)).toMatch(/error ISO_GRAPH_INVALID/);
});
