import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as node from "onnxruntime-node";
import * as web from "onnxruntime-web";
import { afterAll, describe, expect, inject, test } from "vitest";

const isonorm = (await import(join(inject("build"), "index.js"))) as typeof import("../src/index.js");
const { data, models, train } = isonorm;

const folder = mkdtempSync(join(tmpdir(), "isonorm-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
web.env.wasm.numThreads = 1;

/** onnxruntime-node and onnxruntime-web, as someone who never heard of isonorm uses them. */
const runtimes: readonly [
  name: string,
  runtime: Pick<typeof node, "InferenceSession" | "Tensor">,
  tolerance: number,
][] = [
  // The same library that evaluates: the same numbers.
  ["onnxruntime-node", node, 0],
  // Other kernels add in another order; float32 probabilities then differ in their last digits.
  ["onnxruntime-web", web as unknown as typeof node, 1e-5],
];

describe.each(runtimes)(
  "the exported file in bare %s gives the classifier's own probabilities",
  (_, { InferenceSession, Tensor }, tolerance) => {
    const expectClose = (found: ArrayLike<number>, wanted: readonly number[]) => {
      expect(found).toHaveLength(wanted.length);
      const difference = Math.max(...wanted.map((probability, i) => Math.abs(found[i]! - probability)));
      expect(difference).toBeLessThanOrEqual(tolerance);
    };

    test("for raw pixels", async () => {
      const [height, width, channels, count] = [8, 8, 3, 60] as const;
      const length = height * width * channels;
      // Class 1 is bright on the right.
      const labels = Array.from({ length: count }, (_, i) => i % 2);
      const records = Uint8Array.from({ length: count * length }, (_, i) => {
        const bright = labels[Math.floor(i / length)] === 1 && Math.floor(i / channels) % width >= width / 2;
        return ((i * 7919) % 97) + (bright ? 130 : 20);
      });
      const input = { kind: "image", height, width, channels } as const;
      const source = data.arrays({ records, labels, classes: ["left", "right"], input });
      const out = mkdtempSync(join(folder, "run-"));
      const { classifier } = await train({
        data: source,
        model: models.convnet({ width: 4 }),
        epochs: 2,
        threads: 1,
        out,
      });
      const own = await classifier.predictRecords({
        dtype: "uint8",
        size: count,
        recordLength: length,
        read: (examples, into) => {
          for (let i = 0; i < examples.length; i++)
            into.set(records.subarray(examples[i]! * length, (examples[i]! + 1) * length), i * length);
        },
      });

      const session = await InferenceSession.create(readFileSync(join(out, "model.onnx")), { intraOpNumThreads: 1 });
      const pixels = new Tensor("uint8", records, [count, height, width, channels]);
      const { logits, probabilities } = await session.run({ pixels });
      expect(logits!.dims).toEqual([count, 2]);
      expectClose(
        probabilities!.data as Float32Array,
        own.flatMap((prediction) => [...prediction.probabilities]),
      );
    });

    test("for a table's numbers and texts", async () => {
      const rows = Array.from({ length: 80 }, (_, i) => ({
        size: i % 9 === 4 ? Number.NaN : (i * 37) % 11,
        colour: (i * 5) % 3,
      }));
      const colours = ["blue", "green", "red"];
      const source = data.arrays({
        records: Float32Array.from(rows.flatMap(({ size, colour }) => [size, colour])),
        labels: rows.map(({ size, colour }) => (size > 5 || colour === 2 ? 1 : 0)),
        classes: ["no", "yes"],
        input: { kind: "table", numeric: ["size"], categorical: [{ name: "colour", categories: colours }] },
      });
      const out = mkdtempSync(join(folder, "run-"));
      const { classifier } = await train({ data: source, hidden: [8], epochs: 5, threads: 1, out });
      const own = await classifier.predict([
        ...rows.map(({ size, colour }) => ({ size, colour: colours[colour]! })),
        // Neither seen in training nor missing the number.
        { size: 3, colour: "violet" },
      ]);

      const session = await InferenceSession.create(readFileSync(join(out, "model.onnx")), { intraOpNumThreads: 1 });
      const { probabilities } = await session.run({
        features: new Tensor("float32", Float32Array.from([...rows.map(({ size }) => size), 3]), [81, 1]),
        categories: new Tensor("string", [...rows.map(({ colour }) => colours[colour]!), "violet"], [81, 1]),
      });
      expectClose(
        probabilities!.data as Float32Array,
        own.flatMap((prediction) => [...prediction.probabilities]),
      );
    });
  },
);
