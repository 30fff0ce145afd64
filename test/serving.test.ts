import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as node from "onnxruntime-node";
import * as web from "onnxruntime-web";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Random } from "../src/data/index.js";
import { Classifier, type DoneEvent, openEvaluationData } from "../src/run/index.js";
import { runJob } from "../src/run/job.js";
import { parseTrainSettings } from "../src/train/index.js";

// Trained from files, and served to someone who has nothing but the ONNX file and the raw data: the test feeds what it wrote itself,
// not what isonorm read.

const folder = mkdtempSync(join(tmpdir(), "isonorm-test-"));
process.env.XDG_CACHE_HOME = join(folder, "cache");
afterAll(() => rmSync(folder, { recursive: true, force: true }));
web.env.wasm.numThreads = 1;

type Runtime = Pick<typeof node, "InferenceSession" | "Tensor">;
type Feed = (runtime: Runtime, examples: readonly number[]) => Record<string, node.Tensor>;

interface Case {
  readonly path: string;
  readonly settings: Parameters<typeof parseTrainSettings>[0];
  /** Raw examples of the test split as inputs of the file. */
  readonly feed: Feed;
  /** Class of each of them. */
  readonly labels: readonly string[];
}

/** A folder of PNG files under train/ and test/: noise whose left or right half is brighter. No augmentation: a flip would change the class. */
async function images(): Promise<Case> {
  const [height, width, channels] = [12, 10, 3] as const;
  const length = height * width * channels;
  const random = new Random("images");
  const path = join(folder, "images");
  const drawn: { label: string; pixels: Uint8Array }[] = [];
  for (const [split, count] of [
    ["train", 40],
    ["test", 33],
  ] as const)
    for (const label of ["left", "right"]) {
      mkdirSync(join(path, split, label), { recursive: true });
      for (let index = 0; index < count; index++) {
        const pixels = Uint8Array.from({ length }, (_, i) => {
          const side = Math.floor(i / channels) % width < width / 2 ? "left" : "right";
          return random.int(100) + (side === label ? 110 : 40);
        });
        await sharp(pixels, { raw: { width, height, channels } })
          .png()
          .toFile(join(path, split, label, `${String(index).padStart(3, "0")}.png`));
        if (split === "test") drawn.push({ label, pixels });
      }
    }
  return {
    path,
    settings: { model: "convnet", width: 8, epochs: 8, batchSize: 8, augmentation: "none" },
    labels: drawn.map(({ label }) => label),
    feed: ({ Tensor }, examples) => {
      const pixels = Uint8Array.from(examples.flatMap((example) => [...drawn[example]!.pixels]));
      return { pixels: new Tensor("uint8", pixels, [examples.length, height, width, channels]) };
    },
  };
}

/** train.csv and test.csv with numbers and texts, both with missing cells; test.csv has a colour that training never saw. */
function table(): Case {
  const random = new Random("table");
  const path = join(folder, "table");
  mkdirSync(path);
  const colours = ["grün", 'so "red"', "blue, dark", ""];
  const draw = (index: number, unseen: boolean) => {
    const size = random.uniform() < 0.15 ? Number.NaN : Math.fround(40 + 9 * random.normal());
    const age = random.uniform() < 0.1 ? Number.NaN : random.int(90);
    const colour = unseen && index % 10 === 3 ? "violet" : colours[random.int(colours.length)]!;
    return { size, age, colour, shape: ["round", "flat"][random.int(2)]! };
  };
  type Row = ReturnType<typeof draw>;
  const labelOf = ({ size, colour, shape }: Row): string =>
    size > 42 || colour === "grün" ? "yes" : shape === "flat" ? "no" : "perhaps";
  const quoted = (cell: string): string => `"${cell.replaceAll('"', '""')}"`;
  const cells = ({ size, age, colour, shape }: Row) => [
    Number.isNaN(size) ? "" : String(size),
    quoted(colour),
    Number.isNaN(age) ? "NA" : String(age),
    shape,
  ];
  const write = (name: string, rows: readonly Row[]): void => {
    const lines = rows.map((row) => [...cells(row), labelOf(row)].join(","));
    writeFileSync(join(path, name), ["size,colour,age,shape,label", ...lines, ""].join("\n"));
  };
  write(
    "train.csv",
    Array.from({ length: 300 }, (_, index) => draw(index, false)),
  );
  const rows = Array.from({ length: 100 }, (_, index) => draw(index, true));
  write("test.csv", rows);
  return {
    path,
    settings: { hidden: [16, 16], epochs: 20, batchSize: 32 },
    labels: rows.map(labelOf),
    feed: ({ Tensor }, examples) => {
      const chosen = examples.map((example) => rows[example]!);
      const numbers = Float32Array.from(chosen.flatMap(({ size, age }) => [size, age]));
      const texts = chosen.flatMap(({ colour, shape }) => [colour, shape]);
      return {
        features: new Tensor("float32", numbers, [chosen.length, 2]),
        categories: new Tensor("string", texts, [chosen.length, 2]),
      };
    },
  };
}

const python = pythonWithOnnx();

const runtimes: readonly (readonly [string, Runtime])[] = [
  ["onnxruntime-node", node],
  ["onnxruntime-web", web as unknown as Runtime],
];

describe.each([
  ["an image folder", images],
  ["a table of numbers and texts", table],
] as const)("a classifier trained on %s", (_, make) => {
  let data: Case;
  let out: string;
  let done: DoneEvent;
  let classifier: Classifier;
  /** Probabilities that `evaluate` judges, in the order in which the test wrote the examples. */
  let evaluated: Float32Array;

  beforeAll(async () => {
    data = await make();
    out = join(folder, `${make.name}-run`);
    const events: DoneEvent[] = [];
    const job = {
      data: { path: data.path },
      settings: parseTrainSettings(data.settings),
      out,
      resume: false,
      device: "cpu",
      threads: 1,
      finish: true,
    } as const;
    await runJob(job, {
      emit: (event) => {
        if (event.event === "done") events.push(event);
      },
      stopRequested: () => false,
    });
    done = events[0]!;
    classifier = await Classifier.load(out, { threads: 1 });
    const { dataset, split } = await openEvaluationData(classifier, data.path);
    expect([split, dataset.size]).toEqual(["test", data.labels.length]);
    const classes = classifier.classes.length;
    evaluated = new Float32Array(dataset.size * classes);
    const evaluation = await classifier.evaluate(dataset, ({ first, probabilities }) =>
      evaluated.set(probabilities, first * classes),
    );
    // What `evaluate` says is what training reported at its end.
    expect(evaluation.accuracy).toBe(done.test!.accuracy);
    expect(evaluation.loss).toBe(done.test!.loss);
    expect(Array.from(dataset.labels, (label) => dataset.classes[label])).toEqual(data.labels);
    dataset.close();
  });
  afterAll(() => classifier?.release());

  describe.each(runtimes)("in bare %s", (name, runtime) => {
    test.each([1, 7, 64])("gives evaluate's predictions for raw input, %i at a time", async (batch) => {
      const session = await runtime.InferenceSession.create(readFileSync(join(out, "model.onnx")), {
        intraOpNumThreads: 1,
      });
      const classes = classifier.classes.length;
      let [correct, loss] = [0, 0];
      for (let first = 0; first < data.labels.length; first += batch) {
        const count = Math.min(batch, data.labels.length - first);
        const examples = Array.from({ length: count }, (_, index) => first + index);
        const { logits, probabilities } = await session.run(data.feed(runtime, examples));
        expect(logits!.dims).toEqual([count, classes]);
        const found = probabilities!.data as Float32Array;
        for (const example of examples) {
          const row = found.subarray((example - first) * classes, (example - first + 1) * classes);
          const wanted = evaluated.subarray(example * classes, (example + 1) * classes);
          row.forEach((probability, index) => {
            // Other batch sizes and kernels sum float32 in another order.
            expect(Math.abs(probability - wanted[index]!), `${name}, example ${example}`).toBeLessThan(1e-5);
          });
          const label = classifier.classes.indexOf(data.labels[example]!);
          correct += row.indexOf(Math.max(...row)) === label ? 1 : 0;
          loss -= Math.log(row[label]!);
        }
      }
      expect(correct / data.labels.length).toBeCloseTo(done.test!.accuracy, 12);
      expect(loss / data.labels.length).toBeCloseTo(done.test!.loss!, 4);
      await session.release();
    });
  });

  test("has learned, and is as good as its training thought", () => {
    expect(done.test!.accuracy).toBeGreaterThan(0.85);
    // The file, with preprocessing and the classifier's weight folded, against the network that validation ran after the last epoch.
    const lines = readFileSync(join(out, "metrics.jsonl"), "utf8").trim().split("\n");
    const last = JSON.parse(lines.at(-1)!) as { validationLoss: number; validationAccuracy: number };
    expect(done.validation.accuracy).toBe(last.validationAccuracy);
    expect(done.validation.loss).toBeCloseTo(last.validationLoss, 5);
  });

  test.skipIf(python === undefined)("is accepted by Python's onnx.checker, and carries its description", () => {
    const script = join(import.meta.dirname, "fixtures/onnx/check_classifier.py");
    const said = execFileSync(python!, [script, join(out, "model.onnx")], { encoding: "utf8" });
    expect(JSON.parse(said)).toEqual({
      "isonorm.classes": [...classifier.classes],
      "isonorm.input": classifier.input,
      "isonorm.provenance": classifier.provenance,
      // Its content is what the preprocessing computes with, which the predictions above are made by.
      "isonorm.statistics": expect.objectContaining({ kind: classifier.input.kind }),
    });
  });
});

/** A Python that has the onnx package. */
function pythonWithOnnx(): string | undefined {
  return ["python3", "/usr/bin/python3"].find((candidate) => {
    try {
      execFileSync(candidate, ["-c", "import onnx"], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  });
}
