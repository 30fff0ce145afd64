/**
 * isonorm's training steps in a process of their own, so that its peak memory is one training's: `contender.ts method|plain|ceiling WORKLOAD THREADS`. `plain` takes plain
 * optimizer steps; `ceiling` multiplies matrices.
 */
import { openCeiling } from "./ceiling.js";
import { serve } from "./serve.js";
import { openWorkload } from "./step.js";
import { workloadOf } from "./workloads.js";

const [kind, name, threads] = process.argv.slice(2) as [string, string, string];

async function repeat(count: number, run: () => Promise<number>): Promise<number[]> {
  const results: number[] = [];
  for (let index = 0; index < count; index++) results.push(await run());
  return results;
}

if (kind === "ceiling") {
  const product = await openCeiling(Number(threads));
  await serve({}, { steps: (count) => repeat(count, product) });
} else {
  const { step, compileSeconds, nodes, operations } = await openWorkload(workloadOf(name), Number(threads), {
    plain: kind === "plain",
  });
  await serve(
    { compileSeconds, nodes, operations },
    {
      steps: (count) => repeat(count, async () => (await step()).milliseconds),
      losses: (count, rate) => repeat(count, async () => (await step(rate)).loss),
    },
  );
}
