/**
 * Kills a search at random moments with SIGKILL, and its trainings at others, lets it go on, and compares with an undisturbed one: trials, learning curves, weights, choice. Prints a
 * table as Markdown; ends with status 1 where anything differs.
 *
 *     npm run build && npx tsx bench/search-kills.ts [kills of each kind, default 20] [seed]
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { Random } from "../src/data/core.js";
import { studyFile } from "../src/search/executor/index.js";
import { killChildren, smallSearch, studyContent, trainedState } from "../test/search/study.js";

const kills = Number(process.argv[2] ?? 20);
const random = new Random(Number(process.argv[3] ?? 0), "kills");
const cli = join(import.meta.dirname, "../dist/cli.js");
const folder = mkdtempSync(join(tmpdir(), "isonorm-kills-"));

interface Ended {
  readonly done: Record<string, unknown> | undefined;
  readonly seconds: number;
}

function start(args: readonly string[]): { search: ChildProcess; ended: Promise<Ended> } {
  const started = performance.now();
  const search = spawn(process.execPath, [cli, ...args], { stdio: ["ignore", "pipe", "ignore"] });
  let stdout = "";
  search.stdout!.setEncoding("utf8").on("data", (text) => (stdout += text));
  const ended = new Promise<Ended>((resolve) => {
    search.once("close", () => {
      const last = stdout.trimEnd().split("\n").at(-1)!;
      const done = last.includes('"event":"done"') ? (JSON.parse(last) as Record<string, unknown>) : undefined;
      resolve({ done, seconds: (performance.now() - started) / 1000 });
    });
  });
  return { search, ended };
}

const undisturbed = join(folder, "undisturbed");
const reference = await start(smallSearch(undisturbed)).ended;
if (!reference.done) throw new Error("the undisturbed search did not end well");

const choice = (done: Record<string, unknown>) => {
  const { trial, elr, validation, test, fit, why } = done;
  return { trial, elr, validation, test, fit, why };
};

/** What is not as in the undisturbed search. */
async function differences(out: string, done: Ended["done"]): Promise<string[]> {
  if (!done) return ["no result"];
  const [own, wanted] = [await studyContent(out), await studyContent(undisturbed)];
  const different = isDeepStrictEqual(own, wanted) ? [] : ["trials"];
  const weights = wanted.every((_, trial) =>
    isDeepStrictEqual(trainedState(out, trial), trainedState(undisturbed, trial)),
  );
  if (!weights) different.push("weights");
  if (!isDeepStrictEqual(choice(done), choice(reference.done!))) different.push("choice");
  return different;
}

const stateOf = async (out: string): Promise<string> => {
  if (!existsSync(studyFile(out))) return "before the study began";
  const trials = (await studyContent(out).catch(() => [])) as { state: string }[];
  return `${trials.filter(({ state }) => state === "complete").length} of ${trials.length} trials ended`;
};

/** A search that something happens to after so many seconds. */
async function disturbed(
  kind: string,
  index: number,
): Promise<{ moment: number; before: string; differing: string[] }> {
  const out = join(folder, `${kind}-${index}`);
  // The last tenth would often come too late.
  const moment = 0.9 * reference.seconds * random.uniform();
  const { search, ended } = start(smallSearch(out));
  await new Promise((resolve) => setTimeout(resolve, 1000 * moment));
  const before = await stateOf(out);
  if (kind === "search") search.kill("SIGKILL");
  else killChildren(search);
  let { done } = await ended;
  if (!done)
    ({ done } = await start(
      existsSync(studyFile(out)) ? ["search", "--resume", out, "--json"] : smallSearch(out, "--resume"),
    ).ended);
  const differing = await differences(out, done);
  if (differing.length === 0) rmSync(out, { recursive: true });
  return { moment, before, differing };
}

console.log(`Undisturbed: ${reference.seconds.toFixed(1)} s, ${(reference.done.trials as unknown[]).length} trials.\n`);
console.log("| killed | after (s) | when | differs from the undisturbed search |");
console.log("|---|---|---|---|");
let failures = 0;
for (const kind of ["search", "trainings"])
  for (let index = 0; index < kills; index++) {
    const { moment, before, differing } = await disturbed(kind, index);
    if (differing.length > 0) failures++;
    console.log(`| ${kind} | ${moment.toFixed(2)} | ${before} | ${differing.join(", ") || "no"} |`);
  }
console.log(`\n${2 * kills - failures} of ${2 * kills} ended as the undisturbed one.`);
if (failures === 0) rmSync(folder, { recursive: true });
else console.log(`The others are in ${folder}.`);
process.exitCode = failures > 0 ? 1 : 0;
