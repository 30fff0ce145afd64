import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession } from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { floats, i64, lstmAsLoop, lstmAsScan, modelOf, type Written } from "../src/graph/unroll/testModels.js";
import { inspectModel } from "../src/inspect/index.js";
import { int, type Model } from "../src/onnx/index.js";
import { writeModel } from "../src/onnx/node/index.js";
import { openDigits, type Trained, trainToTheEnd } from "./digits.js";

const folder = mkdtempSync(join(tmpdir(), "isonorm-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A network for rows of 64 pixels: they are read line by line by an LSTM, whose last state is classified. */
function classifier(lstm: Written): Model {
  const model = modelOf({
    lines: ["x = Reshape(pixels, lines)", ...lstm.lines, ["scores = Gemm(h_last, classifier)", { transB: int(1) }]],
    outputs: ["scores"],
    constants: { ...lstm.constants, lines: i64(0, 8, 8), classifier: floats([10, 32], 9) },
  });
  const inputs = [{ name: "pixels", dtype: "float32", shape: ["n", 64] }] as const;
  return { ...model, graph: { ...model.graph, inputs } };
}

const sizes = { features: 8, units: 32 };
const forms = { Scan: classifier(lstmAsScan(sizes)), Loop: classifier(lstmAsLoop(sizes)) };

describe("an LSTM written as a loop learns to tell digits apart", () => {
  const trained = new Map<string, Trained>();

  beforeAll(async () => {
    const splits = await openDigits();
    for (const [form, model] of Object.entries(forms)) {
      const file = join(folder, `${form}.onnx`);
      writeModel(file, model);
      trained.set(form, await trainToTheEnd(splits, { model: file, epochs: 12, seed: 1, optimizer: "adam", lr: 0.01 }));
    }
  });

  it.each(Object.entries(forms))("as %s, with every weight of the body", (form, { graph }) => {
    const { outcome, test } = trained.get(form)!;
    expect(outcome.status).toBe("done");
    expect(test.accuracy).toBeGreaterThan(0.85);
    const body = graph.nodes.find(({ op }) => op === form)!.attributes.body;
    const { initializers } = body?.kind === "graph" ? body.value : graph;
    for (const name of ["W", "R", "B"]) {
      const [before, after] = [initializers.get(name)!.data as Float32Array, outcome.kept.get(name)!.data];
      expect([name, (after as Float32Array).filter((value, at) => value !== before[at]).length]).toEqual([
        name,
        before.length,
      ]);
    }
  });

  it("and both forms learn the same", () => {
    const [scan, loop] = Object.keys(forms).map((form) => trained.get(form)!.outcome.progress.history);
    expect(scan!.map(({ trainLoss }) => trainLoss)).toEqual(loop!.map(({ trainLoss }) => trainLoss));
  });
});

it.each(Object.entries(forms))("inspect shows the weights of a body written as %s", async (_, model) => {
  const { weights, withoutNumbers } = await inspectModel(model, (bytes) =>
    InferenceSession.create(bytes, { intraOpNumThreads: 1 }),
  );
  expect(withoutNumbers).toBeUndefined();
  expect(weights.map(({ name, shape, agree }) => ({ name, shape, agree }))).toEqual(
    expect.arrayContaining([
      { name: "W", shape: [8, 128], agree: true },
      { name: "R", shape: [32, 128], agree: true },
      { name: "B", shape: [128], agree: true },
      { name: "classifier", shape: [10, 32], agree: true },
    ]),
  );
});
