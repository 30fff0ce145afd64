import { expect, it } from "vitest";
import { prepareMadeUp } from "./testing/madeUp.js";

async function rates(settings: Readonly<Record<string, unknown>>) {
  const prepared = await prepareMadeUp({ settings: { model: "mlp", ...settings }, batchSize: 16 }, "cpu");
  await prepared.plan.evaluator.release();
  expect(prepared.plan.elr).toBe(prepared.settings.elr);
  return prepared.settings.elr;
}

it("a training without an effective learning rate gets its network's default", async () => {
  expect(await rates({ hidden: [8] })).toBe(2 ** -8.5);
  // 16 columns, 4 classes.
  const parameters = 16 * 512 + 512 * 512 + 512 * 4;
  expect(await rates({ hidden: [512, 512] })).toBeCloseTo((2 ** -8.5 * 75_000) / parameters, 12);
  expect(await rates({ hidden: [512, 512], optimizer: "adam" })).toBe(2 ** -6);
  expect(await rates({ hidden: [512, 512], fixedNorm: "none" })).toBe(2 ** -8.5);
  expect(await rates({ hidden: [512, 512], elr: 2 ** -4 })).toBe(2 ** -4);
});
