/**
 * What bench/elr/table.jsonl says, as Markdown: loss and accuracy at each ELR (means of the seeds), the ELR at the lowest point of a parabola through the best
 * three, and how much of it figures of the network explain that a default could depend on.
 *
 *   npx tsx bench/elr/summary.ts
 */
import { readFileSync } from "node:fs";
import { analyseScaleInvariance, defaultEffectiveLearningRateFor } from "../../src/method/index.js";
import { elementCount } from "../../src/onnx/index.js";
import { type Row, table, type Workload, workloads } from "./workloads.js";

const rows = readFileSync(table, "utf8")
  .split("\n")
  .filter(Boolean)
  .map((line) => JSON.parse(line) as Row);

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const mean = (values: readonly number[]): number => sum(values) / values.length;

interface Response {
  readonly log2Elr: number;
  readonly loss: number;
  readonly accuracy: number;
}

/** A training that diverged, or learned nothing and is sure of it, counts as one that knows nothing of ten classes. */
function responsesOf({ name, log2Elrs }: Workload): Response[] {
  return log2Elrs.flatMap((log2Elr) => {
    const measured = rows.filter((row) => row.network === name && row.log2Elr === log2Elr);
    if (measured.length === 0) return [];
    const loss = mean(measured.map((row) => Math.min(row.loss ?? Number.POSITIVE_INFINITY, Math.log(10))));
    return [{ log2Elr, loss, accuracy: mean(measured.map(({ accuracy }) => accuracy ?? 0.1)) }];
  });
}

/** None where the best lies on an edge. */
function optimumOf(responses: readonly Response[]): number | undefined {
  const best = responses.findIndex(({ loss }) => loss === Math.min(...responses.map((one) => one.loss)));
  const [below, at, above] = [best - 1, best, best + 1].map((index) => responses[index]);
  if (!below || !at || !above) return undefined;
  const [l, m, h] = [below, at, above].map(({ loss }) => Math.log(loss)) as [number, number, number];
  return at.log2Elr + ((above.log2Elr - at.log2Elr) * (l - h)) / (2 * (l - 2 * m + h));
}

/** Figures of the scale-invariant weights, and the default ELR. */
function figuresOf({ network, data }: Workload) {
  const side = data === "fashion 28x28" ? 28 : 14;
  const { graph } = network.model.build({
    shape: data === "digits" ? [64] : [1, side, side],
    classes: 10,
    seed: 0,
    head: { scale: 8, norm: "tensor", features: "raw" },
  });
  const proofs = analyseScaleInvariance(graph).filter(({ scaleInvariant }) => scaleInvariant);
  const channels = proofs.map(({ shape, channelAxis = 0 }) => shape[channelAxis]!);
  const rule = network.optimizer === "adam" ? "angular" : "sgd";
  return {
    default: Math.log2(defaultEffectiveLearningRateFor(proofs, rule, network.fixedNorm)),
    explaining: {
      "log2 of all elements": Math.log2(sum(proofs.map(({ shape }) => elementCount(shape)))),
      "log2 of all channels": Math.log2(sum(channels)),
      "mean log2 of a weight's channels": mean(channels.map(Math.log2)),
      "log2 of the number of weights": Math.log2(proofs.length),
    },
  };
}

const results = workloads.flatMap((workload) => {
  const responses = responsesOf(workload);
  return responses.length === 0 ? [] : [{ workload, responses, best: optimumOf(responses), ...figuresOf(workload) }];
});

console.log("| network, data | log2 P | best log2 ELR | default | log2 ELR: loss, accuracy % |\n|---|---|---|---|---|");
for (const { workload, responses, best, explaining, default: log2Default } of results) {
  const cells = responses.map(
    ({ log2Elr, loss, accuracy }) => `${log2Elr}: ${loss.toFixed(2)}, ${(100 * accuracy).toFixed(1)}`,
  );
  const elements = explaining["log2 of all elements"].toFixed(1);
  console.log(
    `| ${workload.name} | ${elements} | ${best?.toFixed(1) ?? "edge"} | ${log2Default.toFixed(1)} | ${cells.join("; ")} |`,
  );
}

/** Least squares of the best ELR on one figure. */
console.log("");
const alike = results.filter(
  ({ workload: { network, epochs, data } }) =>
    epochs === 3 && (data === "fashion 14x14" || data === "fashion 28x28") && !network.optimizer && !network.fixedNorm,
);
for (const [label, among] of [
  ["all", alike],
  ["without MLPs", alike.filter(({ workload }) => !workload.name.startsWith("mlp"))],
] as const)
  for (const name of Object.keys(results[0]!.explaining) as (keyof (typeof results)[0]["explaining"])[]) {
    const points = among.flatMap(({ best, explaining }) =>
      best === undefined ? [] : [[explaining[name], best] as const],
    );
    const [mx, my] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))];
    const slope = mean(points.map(([x, y]) => (x - mx) * (y - my))) / mean(points.map(([x]) => (x - mx) ** 2));
    const left = Math.sqrt(mean(points.map(([x, y]) => (y - my - slope * (x - mx)) ** 2)));
    console.log(
      `${label}, ${points.length} networks: ${name}: slope ${slope.toFixed(2)}, ${left.toFixed(2)} octaves left over`,
    );
  }
