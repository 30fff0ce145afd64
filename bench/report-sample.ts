/**
 * Writes sample reports with made-up but realistic figures, to look at: training reports with 2, 10, 40 and 300 classes, a diverged one, a table's, and a
 * search report.
 *
 *     npx tsx bench/report-sample.ts [folder]
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { type Evaluation, evaluatePredictions } from "../src/metrics/index.js";
import {
  type EpochRecord,
  type ReportedMistake,
  type ReportedTrial,
  renderSearchReport,
  renderTrainingReport,
  type SearchReport,
  type TrainingReport,
  terminalPlot,
} from "../src/report/index.js";

/** mulberry32: uniform in [0, 1). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

const digits = gunzipSync(readFileSync(new URL("../examples/digits/digits.csv.gz", import.meta.url)))
  .toString()
  .trim()
  .split("\n")
  .map((line) => line.split(",").map(Number))
  .filter((row) => row.length === 65 && row.every(Number.isFinite));

/** Logits of a model that is mostly right and confuses neighbouring classes. */
function evaluation(labels: Int32Array, classes: number, margin: number, seed: number): Evaluation {
  const random = generator(seed);
  const logits = Float32Array.from({ length: labels.length * classes }, () => 1.6 * normal(random));
  for (const [i, label] of labels.entries()) {
    logits[i * classes + label]! += margin + 1.5 * normal(random);
    if (random() < 0.08) logits[i * classes + ((label + (label % 3) + 1) % classes)]! += margin;
  }
  return evaluatePredictions(labels, logits, classes);
}

function epochs(count: number, elr: number, seed: number, total = count): EpochRecord[] {
  const random = generator(seed);
  const octaves = Math.abs(Math.log2(elr) + 8.5);
  return Array.from({ length: count }, (_, i) => {
    const progress = (i + 1) / total;
    const trainLoss = 2.1 * Math.exp(-6 * progress ** 0.6) * (1 + 0.15 * octaves) + 0.004 + 0.006 * random();
    const validationLoss = trainLoss + 0.05 + 0.03 * octaves ** 1.5 + 0.02 * random() * (1.2 - progress);
    return {
      epoch: i + 1,
      elr: (elr * (1 + Math.cos(Math.PI * progress))) / 2,
      trainLoss,
      trainAccuracy: 1 - trainLoss / 3.2,
      validationLoss,
      validationAccuracy: 1 - validationLoss / 3.6,
      examplesPerSecond: 52_000 * (0.94 + 0.08 * random()),
      seconds: 0.9 + 0.1 * random(),
    };
  });
}

function trainingReport(title: string, names: string[], testSize: number, margin = 9): TrainingReport {
  const classes = names.length;
  const random = generator(classes);
  const labels =
    classes === 10
      ? Int32Array.from(digits.slice(0, testSize), (row) => row[64]!)
      : Int32Array.from({ length: testSize }, () => Math.floor(classes * random() ** 1.2));
  const test = evaluation(labels, classes, margin, 7);
  const mistakes = test.mistakes.map(
    ({ example, ...mistake }): ReportedMistake => ({
      ...mistake,
      source:
        classes === 10
          ? `digits.csv.gz, row ${example + 1}`
          : `flowers/test/${names[mistake.truth]}/IMG_${2000 + example}.jpg`,
      image: classes === 10 ? digit(digits[example]!) : photograph(example),
    }),
  );
  const elr = 2 ** -8.5;
  return {
    title,
    createdAt: "2026-11-23T20:49:12Z",
    status: "done",
    data: {
      path: classes === 10 ? "examples/digits" : "flowers/",
      hash: "9f2c41d0a7be5813c26f09e4d7718a3b5ce0f6421d98b7a3340c5e6f7a81b2c3",
      classes: names,
      counts: { train: 1150, validation: 287, test: testSize },
    },
    model: { name: classes === 10 ? "mlp 64-128-128-10" : "resnet20, width 16", parameters: 26_762 },
    settings: {
      elr,
      scale: 2.5 * Math.sqrt(classes),
      lr: 0.05,
      epochs: 40,
      "batch size": 64,
      seed: 0,
      optimizer: "sgd",
      momentum: 0.9,
      nesterov: false,
      rule: "sgd",
      granularity: "tensor",
      schedule: "cosine",
      "warm-up": 0,
      augmentation: "none",
      "label smoothing": 0,
      "class weights": "none",
      "gradient clipping": null,
      EMA: null,
      threads: 2,
    },
    versions: { isonorm: "0.1.0", node: "20.19.5", "onnxruntime-node": "1.30.0", platform: "linux-x64" },
    elr,
    scale: 2.5 * Math.sqrt(classes),
    epochs: epochs(40, elr, 3),
    bestEpoch: 37,
    evaluations: { validation: evaluation(labels.slice(0, 287), classes, margin, 11), test },
    mistakes,
    weights: [
      ["hidden.0.weight", [128, 64], true, "followed by BatchNormalization hidden.0.norm (training)", 9.2371, 9.2371],
      ["hidden.0.norm.scale", [128], false, "scales the output of BatchNormalization hidden.0.norm", 11.3137, 12.8802],
      ["hidden.0.norm.bias", [128], false, "is added after BatchNormalization hidden.0.norm", 0, 1.9173],
      ["hidden.1.weight", [128, 128], true, "followed by BatchNormalization hidden.1.norm (training)", 9.2259, 9.2259],
      ["hidden.1.norm.scale", [128], false, "scales the output of BatchNormalization hidden.1.norm", 11.3137, 12.0418],
      ["hidden.1.norm.bias", [128], false, "is added after BatchNormalization hidden.1.norm", 0, 1.204],
      [
        "classifier.weight",
        [10, 128],
        true,
        "divided by its own norm in the scale-invariant linear layer",
        3.1745,
        3.1745,
      ],
    ].map(([name, shape, scaleInvariant, reason, normBefore, normAfter]) => ({
      name: name as string,
      shape: shape as number[],
      scaleInvariant: scaleInvariant as boolean,
      reason: reason as string,
      normBefore: normBefore as number,
      normAfter: (normAfter as number) * (1 + (scaleInvariant ? 3e-7 : 0)),
    })),
    cost: { seconds: 41.3, examplesPerSecond: 51_240, peakMemoryBytes: 212e6 },
    warnings: [],
  };
}

function digit(row: readonly number[]) {
  const pixels = Uint8Array.from(row.slice(0, 64), (value) => Math.min(255, value * 16));
  return { width: 8, height: 8, channels: 1 as const, pixels };
}

/** Smooth colours with noise, as large as a photograph that a model sees. */
function photograph(seed: number) {
  const random = generator(seed);
  const [a, b, c] = [6 * random(), 6 * random(), 6 * random()];
  const pixels = new Uint8Array(160 * 120 * 3);
  for (let y = 0; y < 120; y++) {
    for (let x = 0; x < 160; x++) {
      for (const [channel, phase] of [a, b, c].entries()) {
        pixels[(y * 160 + x) * 3 + channel] =
          128 + 90 * Math.sin(x / 30 + phase + channel) * Math.cos(y / 25 + phase) + 20 * random();
      }
    }
  }
  return { width: 160, height: 120, channels: 3 as const, pixels };
}

function searchReport(): SearchReport {
  const winner = trainingReport("digits", Array.from("0123456789"), 360);
  const low = [-12.5, -11.5, -10.5, -9.5, -8.5, -7.5, -6.5, -5.5, -4.5, -3.5];
  const loss = (octave: number, floor: number) => floor + 0.012 * (octave + 8.2) ** 2 + 0.004 * Math.sin(9 * octave);
  const trial = (id: number, rung: string, octave: number, count: number): ReportedTrial => {
    const diverged = octave > -4;
    const own = epochs(diverged ? 2 : count, 2 ** octave, id, count);
    const validationLoss = loss(octave, rung === "full" ? 0.061 : 0.17);
    return {
      id,
      rung,
      elr: 2 ** octave,
      scale: 7.906,
      state: diverged ? "diverged" : "complete",
      validationLoss: diverged ? null : validationLoss,
      validationAccuracy: diverged ? null : 1 - validationLoss / 4.1,
      epochs: own,
      cost: count / 40,
      seconds: count * 1.02,
    };
  };
  const trials = [
    ...low.map((octave, i) => trial(i + 1, "short", octave, 5)),
    trial(11, "full", -8.25, 40),
    trial(12, "full", -7.5, 40),
  ];
  return {
    title: "digits",
    createdAt: "2026-11-23T20:52:40Z",
    status: "done",
    data: winner.data,
    model: winner.model,
    settings: { strategy: "bracket", epochs: 40, budget: 3, seed: 0, objective: "validation loss", jobs: 2 },
    rungs: [
      { name: "short", epochs: 5 },
      { name: "full", epochs: 40 },
    ],
    trials,
    fit: {
      rung: "short",
      points: Array.from({ length: 49 }, (_, i) => {
        const octave = -12.5 + i / 6;
        const fitted = 0.17 + 0.012 * (octave + 8.2) ** 2;
        const half = 0.008 + 0.0022 * Math.abs(octave + 8.2) ** 1.5;
        return { elr: 2 ** octave, loss: fitted, low: fitted - half, high: fitted + half };
      }),
    },
    chosen: 2 ** -8.25,
    cost: { fullRuns: 3.25, byRung: { short: 1.25, full: 2 }, seconds: 98 },
    winner,
    versions: winner.versions,
    warnings: [],
  };
}

const folder = process.argv[2] ?? "/tmp/isonorm-report-sample";
mkdirSync(folder, { recursive: true });
const names = (count: number) =>
  Array.from(
    { length: count },
    (_, i) =>
      `${["red", "great", "common", "marsh", "alpine", "dwarf"][i % 6]} ${["rose", "lily", "campanula", "violet", "gentian", "saxifrage", "orchid"][i % 7]} ${i + 1}`,
  );
const ten = trainingReport("digits", Array.from("0123456789"), 360);
const { mistakes } = ten;
const samples: Record<string, string> = {
  digits: renderTrainingReport(ten),
  table: renderTrainingReport({
    ...ten,
    status: "stopped early",
    mistakes: mistakes.map(({ image: _, ...mistake }, i) => ({
      ...mistake,
      row: Object.fromEntries(
        Array.from({ length: 64 }, (_, k) => [`pixel_${Math.floor(k / 8)}_${k % 8}`, digits[i]![k]!]),
      ),
    })),
  }),
  diverged: renderTrainingReport({
    ...ten,
    status: "diverged",
    epochs: epochs(3, 1, 4, 40).map((epoch, i) => ({
      ...epoch,
      ...(i === 2 && { trainLoss: null, validationLoss: null }),
    })),
    bestEpoch: 2,
    warnings: [
      "The loss was not finite for 10 steps in a row from step 71 on: lower the effective learning rate.",
      "2 of 1,797 images could not be read and were skipped.",
    ],
  }),
  two: renderTrainingReport(trainingReport("cats and dogs", ["cat", "dog"], 5000, 4)),
  forty: renderTrainingReport(trainingReport("flowers", names(40), 4000, 7)),
  many: renderTrainingReport(trainingReport("flowers", names(300), 15_000, 8)),
  search: renderSearchReport(searchReport()),
};
for (const [name, page] of Object.entries(samples)) {
  writeFileSync(join(folder, `${name}.html`), page);
  console.log(`${join(folder, `${name}.html`)}: ${Math.round(page.length / 1000)} kB`);
}
const { trials, fit, chosen } = searchReport();
const plotted = trials.map(({ elr, validationLoss, rung }) => ({ elr, loss: validationLoss, full: rung === "full" }));
console.log(terminalPlot({ points: plotted, fit: fit!.points, chosen }).join("\n"));
console.log(terminalPlot({ points: plotted, fit: fit!.points, chosen }, { width: 48, unicode: false }).join("\n"));
