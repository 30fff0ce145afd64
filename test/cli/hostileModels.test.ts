import { expect, test } from "vitest";
import { hostileModels, tooMuchTogether } from "./hostileModels.js";
import { digits, isonorm, startIsonorm, temporaryFolder, watchPeakMemory } from "./isonorm.js";

/** Odd, but models: they may be trained. */
const odd = new Set([
  "40 sums of a value with itself",
  "60 Ifs inside each other",
  "a negative dimension of the input",
  "a weight with an axis of zero",
]);

test("hostile models are refused with a coded error, without a crash, a hang or a hunger for memory", async () => {
  const folder = temporaryFolder();
  const problems: string[] = [];
  const check = async (name: string, path: string): Promise<void> => {
    const options = ["--epochs", "1", "--threads", "1", "--out", `${path}.run`];
    const inspected = await isonorm("inspect", path);
    const trained = await isonorm("train", digits, "--model", path, ...options);
    for (const { status, stderr, seconds } of [inspected, trained]) {
      const refused = (status === 1 || status === 2) && /^error ISO_(?!INTERNAL)\w+: /m.test(stderr);
      // Inspecting computes little; what it cannot do it warns of.
      const told =
        status === 0 &&
        stderr.split("\n").every((line) => /^(warning .*|)$/.test(line) && !line.includes("ISO_INTERNAL"));
      if (!refused && !told) problems.push(`${name}: ${status}, ${stderr.slice(0, 300)}`);
      // Ten seconds on an idle machine.
      if (seconds > 100) problems.push(`${name}: ${seconds} s`);
      if (stderr.length > 5000) problems.push(`${name}: ${stderr.length} characters of error`);
    }
    if (trained.status === 0 && !odd.has(name)) problems.push(`${name}: trained`);
  };
  for (const [name, path] of hostileModels(folder)) await check(name, path);
  expect(problems).toEqual([]);
});

test("tensors that no machine can hold together are refused before they are made", async () => {
  const path = hostileModels(temporaryFolder()).get(tooMuchTogether)!;
  const options = ["--epochs", "1", "--threads", "1", "--batch-size", "64", "--out", `${path}.run`];
  for (const [command, refusal] of [
    [
      ["train", digits, "--model", path, ...options],
      /^error ISO_MEMORY: a training step at batch size 64 takes at least 1\.2\d+e\+3 GB/m,
    ],
    [["search", digits, "--model", path, ...options], /^error ISO_MEMORY: a training step at batch size 64/m],
    [["inspect", path], /ISO_MEMORY: running the network on a few examples takes at least 1\d\d GB/],
  ] as const) {
    const { process, ended } = startIsonorm(command);
    const peak = watchPeakMemory(process.pid!);
    const { stderr } = await ended;
    expect(stderr).toMatch(refusal);
    expect(stderr).toContain("The largest are t");
    // Node with ONNX Runtime takes some 100 MB; one of the tensors 4 GB.
    const most = peak();
    if (most !== undefined) expect(most).toBeLessThan(600e6);
  }
});
