import { parse } from "csv-parse/sync";
import { describe, expect, it } from "vitest";
import { sampleStudy } from "./storage/conformance.js";
import { epochRows, studyRows, toCsv, toJson, toText, trialRows } from "./table.js";
import { complete, ended } from "./testing/simulate.js";

const trials = [
  ended(0, { elr: 2 ** -8.5, fraction: 1 / 8, replicate: 0 }, complete({ loss: 1 / 3, accuracy: 0.875 }, 1 / 8)),
  ended(1, { elr: 2 ** -7.5, scale: 4, fraction: 1, replicate: 0 }, { state: "diverged", cost: 0.25 }),
  ended(
    2,
    { elr: 2, fraction: 1, replicate: 0 },
    { state: "failed", cost: 0, error: { code: "ISO_INTERNAL", message: 'said "no",\nthen left' } },
  ),
];

describe("tables of studies and trials", () => {
  it("count a study's trials by how they ended and charge everything", () => {
    const waiting = { ...trials[0]!, number: 3, state: "waiting" as const, cost: 0, wasted: 0.5 };
    const [row] = studyRows([{ study: sampleStudy, trials: [...trials, waiting] }]);
    expect(row).toMatchObject({
      study: "flowers",
      trials: 4,
      complete: 1,
      diverged: 1,
      failed: 1,
      open: 1,
      cost: 0.875,
    });
  });

  it("have a column for each parameter that any trial has", () => {
    const rows = trialRows(trials);
    expect(rows[0]).toMatchObject({
      log2Elr: -8.5,
      elr: 2 ** -8.5,
      scale: undefined,
      loss: 1 / 3,
      accuracy: 0.875,
      state: "complete",
    });
    expect(rows[1]).toMatchObject({ scale: 4, loss: undefined, cost: 0.25 });
    expect(rows[0]).not.toHaveProperty("momentum");
    expect(trialRows(trials.slice(0, 1))[0]).not.toHaveProperty("scale");
  });

  it("write CSV that a CSV reader gives back, numbers to the last bit", () => {
    const rows = trialRows(trials);
    const read = parse(toCsv(rows), { columns: true }) as Record<string, string>[];
    expect(read).toHaveLength(3);
    expect(read.map(({ elr }) => Number(elr))).toEqual(trials.map(({ candidate }) => candidate.elr));
    expect(Number(read[0]!.loss)).toBe(1 / 3);
    expect(read[1]!.loss).toBe("");
    expect(read[2]!.error).toBe('ISO_INTERNAL: said "no",\nthen left');
  });

  it("defuse text that a spreadsheet would run", () => {
    expect(toCsv([{ name: "=1+1", number: -1 }])).toBe("name,number\r\n'=1+1,-1\r\n");
  });

  it("write JSON that reads back without the empty cells", () => {
    expect(JSON.parse(toJson(trialRows(trials)))[1]).toMatchObject({ trial: 1, scale: 4, state: "diverged" });
    expect(JSON.parse(toJson(epochRows(3, [])))).toEqual([]);
  });

  it("align columns for a terminal and leave out those that are empty throughout", () => {
    expect(
      toText([
        { name: "a", loss: 1 / 3, none: undefined },
        { name: "long", loss: 12, none: undefined },
      ]),
    ).toBe("name    loss\na     0.3333\nlong      12\n");
  });
});
