/**
 * Transfer learning against scikit-learn: a convnet trained on Fashion-MNIST classes 0 to 4, then its head alone on classes 5 to 9 with 20 images a class.
 *
 *   npm run bench:transfer        (needs the data beside the repository, and /usr/bin/python3 with scikit-learn, or PYTHON)
 *
 * Both learn from the same 90 images (10 are held out for validation) by the same features, five draws of the images; logistic regression with C by
 * cross-validation.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { Random } from "../../src/data/core.js";
import { data, models, train } from "../../src/index.js";
import { decode, encode } from "../../src/onnx/index.js";

const source = "../shared/data/fashion-mnist";
if (!existsSync(source)) throw new Error(`${source} is missing: this comparison needs Fashion-MNIST there`);
const load = (name: string, header: number): Uint8Array =>
  gunzipSync(readFileSync(join(source, `${name}-ubyte.gz`))).subarray(header);
const split = (part: string) => ({ pixels: load(`${part}-images-idx3`, 16), labels: load(`${part}-labels-idx1`, 8) });
const [training, testing] = [split("train"), split("t10k")];

/** The examples of those classes, at most so many of each, drawn by a seed. */
function choose({ labels }: typeof training, classes: readonly number[], most: number, seed: number): number[] {
  return classes.flatMap((wanted) => {
    const members = Uint32Array.from([...labels.keys()].filter((example) => labels[example] === wanted));
    return [...new Random(seed, "transfer", wanted).shuffle(members)].slice(0, most);
  });
}

function arrays(part: typeof training, examples: readonly number[], classes: readonly number[]) {
  const records = new Uint8Array(examples.length * 784);
  for (const [row, example] of examples.entries())
    records.set(part.pixels.subarray(example * 784, (example + 1) * 784), row * 784);
  return {
    records,
    labels: examples.map((example) => classes.indexOf(part.labels[example]!)),
    classes: classes.map(String),
    input: { kind: "image", height: 28, width: 28, channels: 1 } as const,
  };
}

const folder = mkdtempSync(join(tmpdir(), "isonorm-transfer-"));
process.env.XDG_CACHE_HOME = join(folder, "cache");
const [old, fresh] = [
  [0, 1, 2, 3, 4],
  [5, 6, 7, 8, 9],
];
const pretrained = join(folder, "pretrained");
await train({
  data: data.arrays({ ...arrays(training, choose(training, old, 2400, 0), old), test: 0 }),
  model: models.convnet(),
  epochs: 3,
  out: pretrained,
});

const test = arrays(testing, choose(testing, fresh, 1000, 0), fresh);
const rows: string[] = [];
for (let seed = 0; seed < 5; seed++) {
  const few = arrays(training, choose(training, fresh, 20, seed), fresh);
  const out = join(folder, `head ${seed}`);
  const started = performance.now();
  const { classifier } = await train({
    data: data.arrays({ ...few, test: 0 }),
    model: models.fromOnnx(join(pretrained, "model.onnx"), { train: "head" }),
    seed,
    out,
  });
  const seconds = (performance.now() - started) / 1000;
  void classifier;
  const model = decode(readFileSync(join(out, "model.onnx")));
  const head = model.graph.nodes.findLast(({ op }) => op === "Gemm")!;
  // The pretrained network's own features: what comes before they are standardised.
  const standardized = model.graph.nodes.find(({ outputs }) => outputs[0] === head.inputs[0])!;
  const features = standardized.inputs[0]!;
  const outputs = [features, "logits"].map((name) => ({ name, dtype: "float32" as const, shape: undefined }));
  const session = await InferenceSession.create(encode({ ...model, graph: { ...model.graph, outputs } }));
  const run = async ({ records, labels }: typeof test) =>
    session.run({ pixels: new Tensor("uint8", records, [labels.length, 28, 28, 1]) });
  const [ofFew, ofTest] = [await run(few), await run(test)];
  const logits = ofTest.logits!.data as Float32Array;
  const right = test.labels.filter((label, row) => {
    const scores = logits.subarray(row * 5, row * 5 + 5);
    return scores.indexOf(Math.max(...scores)) === label;
  });
  const files = join(folder, `features ${seed}`);
  mkdirSync(files);
  const save = (name: string, values: ArrayLike<number>) =>
    writeFileSync(join(files, name), new Uint8Array(Float32Array.from(values).buffer));
  save("x", ofFew[features]!.data as Float32Array);
  save("y", few.labels);
  save("test-x", ofTest[features]!.data as Float32Array);
  save("test-y", test.labels);
  const python = process.env.PYTHON ?? "/usr/bin/python3";
  const script = join(import.meta.dirname, "logistic_regression.py");
  const regression = JSON.parse(execFileSync(python, [script, files], { encoding: "utf8" })) as Record<string, number>;
  const accuracy = right.length / test.labels.length;
  rows.push(
    `${seed}  isonorm ${(100 * accuracy).toFixed(2)} % in ${seconds.toFixed(1)} s   logistic regression ${(100 * regression.ninety!).toFixed(2)} % on 90 images, ${(100 * regression.hundred!).toFixed(2)} % on all 100`,
  );
  console.log(rows.at(-1));
}
rmSync(folder, { recursive: true });
