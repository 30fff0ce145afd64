import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import type { CostTable } from "../lowering/index.js";
import { channelBlockHere } from "./device.js";
import { costsVariable, loweringHere } from "./lowering.js";

const folder = mkdtempSync(join(tmpdir(), "isonorm-costs-"));
afterEach(() => {
  delete process.env[costsVariable];
});

function name(content: string): string {
  const path = join(folder, "costs.json");
  writeFileSync(path, content);
  process.env[costsVariable] = path;
  return path;
}

const table = async (): Promise<CostTable> => ({
  format: 1,
  processor: "a processor",
  channelBlock: (await channelBlockHere()) ?? null,
  runtime: "0",
  threads: [1],
  operators: { Op: [{ kind: "", sizes: { elements: 1 }, work: 1, ms: { a: [2] } }] },
});

it("a table of this machine's own decides in place of the shipped one, and its file is named", async () => {
  const path = name(JSON.stringify(await table()));
  const { costs, chosenBy } = await loweringHere("cpu", 2);
  expect(costs?.milliseconds("Op", { kind: "", sizes: { elements: 1 }, work: 1 }, ["a"]).get("a")).toBe(2);
  expect(chosenBy).toMatch(new RegExp(`^costs measured on a processor .*, from ${path}$`));
});

it("WebGPU has no costs", async () => {
  name("{}");
  expect(await loweringHere("webgpu", 2)).toEqual({ chosenBy: "rules" });
});

it("a file that is missing, no table, or of another kind of processor is an error that says so", async () => {
  const other = { ...(await table()), channelBlock: 4 };
  for (const [content, message] of [
    ["{", /cannot be read as JSON/],
    ["{}", /is no table of costs/],
    [JSON.stringify(other), /was measured with 4 channels in a block/],
  ] as const) {
    name(content);
    await expect(loweringHere("cpu", 1)).rejects.toThrow(message);
  }
  process.env[costsVariable] = join(folder, "missing.json");
  await expect(loweringHere("cpu", 1)).rejects.toMatchObject({ code: "ISO_ARGUMENT" });
});
