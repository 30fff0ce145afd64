import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { doneOf, type Event, eventsOf, isonorm, startIsonorm } from "../cli/isonorm.js";
import { afterLines, killChildren, smallSearch, studyContent, trainedState } from "./study.js";

// Whole searches, each of several processes: seconds on an idle machine, minutes on a busy one.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const folder = mkdtempSync(join(tmpdir(), "isonorm-test-"));
const calm = join(folder, "calm");
let undisturbed: Event;

beforeAll(async () => {
  undisturbed = doneOf(await isonorm(...smallSearch(calm)));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The same trials, the same weights, the same choice. */
async function expectSameSearch(out: string, done: Event): Promise<void> {
  expect(await studyContent(out)).toEqual(await studyContent(calm));
  const choice = ({ trial, elr, validation, test, fit, why }: Event) => ({ trial, elr, validation, test, fit, why });
  expect(choice(done)).toEqual(choice(undisturbed));
  const winner = done.trial as number;
  expect(trainedState(out, winner)).toEqual(trainedState(calm, winner));
}

/** Trials that an uninterrupted stretch of a search has begun, and those that it has ended. */
const trialsOf = (events: readonly Event[], ...states: string[]): number[] =>
  events.flatMap(({ event, state, number }) =>
    event === "trial" && states.includes(state as string) ? [number as number] : [],
  );

describe.skipIf(process.platform === "win32")("a search ends with the same trials and the same choice", () => {
  test("killed four times and resumed, repeating nothing that finished", async () => {
    const out = join(folder, "killed");
    const ended: number[] = [];
    let args = smallSearch(out);
    // Lines of output until the kill: at the start, among short trainings, in the full one, and what is left.
    for (const lines of [2, 6, 9, 16]) {
      const { process: search, ended: end } = startIsonorm(args);
      afterLines(search, lines, () => search.kill("SIGKILL"));
      const ran = await end;
      expect(ran.status).toBeUndefined();
      const events = eventsOf({ ...ran, stdout: ran.stdout.slice(0, ran.stdout.lastIndexOf("\n") + 1) });
      expect(trialsOf(events, "running").filter((trial) => ended.includes(trial))).toEqual([]);
      ended.push(...trialsOf(events, "complete"));
      args = ["search", "--resume", out, "--json"];
    }
    await expectSameSearch(out, doneOf(await isonorm(...args)));
  });

  test("with its trainings killed, which are told of as lost and go on from their checkpoints", async () => {
    const out = join(folder, "orphaned");
    const { process: search, ended } = startIsonorm(smallSearch(out));
    for (const lines of [2, 5, 9, 14, 20, 24, 27]) afterLines(search, lines, () => killChildren(search, 1));
    const ran = await ended;
    const done = doneOf(ran);
    // Lines may come several at a time, and the last training may have ended when it is to be killed.
    expect(trialsOf(eventsOf(ran), "lost").length).toBeGreaterThanOrEqual(1);
    await expectSameSearch(out, done);
  });

  test.each(["SIGINT", "SIGTERM"] as const)("stopped by %s with exit status 130, then resumed", async (signal) => {
    const out = join(folder, signal);
    const { process: search, ended } = startIsonorm(smallSearch(out));
    afterLines(search, signal === "SIGINT" ? 8 : 20, () => search.kill(signal));
    const ran = await ended;
    expect(ran.status).toBe(130);
    expect(eventsOf(ran).at(-1)).toMatchObject({ event: "interrupted", code: "ISO_INTERRUPTED" });
    expect(JSON.parse(readFileSync(join(out, "run.json"), "utf8"))).toMatchObject({ status: "interrupted" });
    const show = await isonorm("search", out, "--show", "--json");
    const { trials } = eventsOf(show).at(-1) as unknown as { trials: { state: string; wasted: number }[] };
    // Nothing is left running, and with checkpoints nothing was in vain.
    expect(trials.filter(({ state }) => state === "running")).toEqual([]);
    expect(trials.every(({ wasted }) => wasted === 0)).toBe(true);
    await expectSameSearch(out, doneOf(await isonorm("search", "--resume", out, "--json")));
  });
});
