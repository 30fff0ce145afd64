/**
 * Measures training steps, alone or next to another library's.
 *
 *   npm run bench -- [WORKLOAD ...] [--peer pytorch|tfjs|jaxjs] [--rounds 12] [--threads 2] [--json|--markdown]
 *
 * All contestants take turns. Of PyTorch's layouts, NCHW and channels_last, the quicker one counts. The JavaScript peers are installed by `npm ci --prefix bench/peers`; that they train the
 * same network is checked by their losses. With
 * --json one line a workload, with --markdown a table for docs/performance.md.
 *
 *   npm run bench -- [WORKLOAD ...] --method [--rounds 12] [--json|--markdown]
 *
 * shows what the fixed norm and the scale-invariant head add to the same step with plain SGD and an ordinary linear head, over so many pairs of fresh sessions.
 *
 *   npm run bench -- [WORKLOAD ...] --profile [--top 20] [--json]
 *
 * shows where a step's time goes by phase, operator, layer and node, from ONNX Runtime's profiler.
 *
 *   npm run bench -- [WORKLOAD ...] --compile [--json]
 *
 * shows how long the training graph takes to compile, part by part, without running it; without names for ResNet-50.
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { IsonormError } from "../../src/errors.js";
import { compileTimes, compileTimesAsText } from "./compileTimes.js";
import { type Peer, peers, trains } from "./contestants.js";
import { measure, type Row } from "./measure.js";
import { type MethodCost, measureMethod, methodCostCells, methodCostHeader } from "./method.js";
import { profileWorkload } from "./profile.js";
import { printProfile, profileSummary } from "./profileTables.js";
import { rowsAsMarkdown, rowsAsText } from "./rows.js";
import { markdownTable, textTable } from "./textTable.js";
import { workloadOf, workloads } from "./workloads.js";

const { values: options, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    peer: { type: "string" },
    method: { type: "boolean", default: false },
    rounds: { type: "string", default: "12" },
    threads: { type: "string", default: String(availableParallelism()) },
    profile: { type: "boolean", default: false },
    compile: { type: "boolean", default: false },
    top: { type: "string", default: "20" },
    json: { type: "boolean", default: false },
    markdown: { type: "boolean", default: false },
  },
});
const [rounds, threads, top] = [options.rounds, options.threads, options.top].map(Number) as [number, number, number];

function chosenPeer(): Peer | undefined {
  const peer = peers.find((one) => one === options.peer);
  if (peer || options.peer === undefined) return peer;
  throw new IsonormError("ISO_ARGUMENT", `there is no peer ${options.peer}`, `Name one of ${peers.join(", ")}`);
}

async function main(): Promise<void> {
  const peer = chosenPeer();
  const print = (value: object, text: () => string): void => console.log(options.json ? JSON.stringify(value) : text());
  if (options.compile) {
    for (const name of names.length > 0 ? names : ["resnet50"]) {
      const times = await compileTimes(workloadOf(name), threads);
      print(times, () => compileTimesAsText(times));
    }
    return;
  }
  const standard = workloads.filter((one) => !one.onlyByName && (!peer || trains(peer, one)));
  const chosen = names.length > 0 ? names.map(workloadOf) : standard;
  if (options.profile) {
    for (const workload of chosen) {
      const profile = await profileWorkload(workload, threads, rounds);
      print(profileSummary(profile, top), () => `${printProfile(profile, top)}\n`);
    }
    return;
  }
  if (options.method) {
    const costs: MethodCost[] = [];
    for (const workload of chosen) {
      costs.push(await measureMethod(workload, threads, rounds));
      if (options.json) console.log(JSON.stringify(costs.at(-1)));
      else console.error(`${workload.name} done`);
    }
    const cells = costs.map(methodCostCells);
    if (!options.json)
      console.log(
        options.markdown ? markdownTable(methodCostHeader, cells) : textTable(methodCostHeader, cells, new Set([0])),
      );
    return;
  }
  const rows: Row[] = [];
  for (const workload of chosen) {
    const row = await measure(workload, { threads, rounds, ...(peer ? { peer } : {}) });
    rows.push(row);
    if (options.json) console.log(JSON.stringify(row));
    else if (!options.markdown) console.error(`${row.workload} done`);
  }
  if (!options.json) console.log(options.markdown ? rowsAsMarkdown(rows) : rowsAsText(rows));
}

try {
  await main();
} catch (error) {
  if (!(error instanceof IsonormError)) throw error;
  console.error(`error ${error.code}: ${error.message}`);
  process.exitCode = error.exitStatus;
}
