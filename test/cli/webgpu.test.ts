import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { onWebgpu, webgpuMissing } from "../../src/lowering/testing/webgpuDevice.js";
import { digits, doneOf, isonorm, temporaryFolder } from "./isonorm.js";

describe.skipIf(webgpuMissing !== undefined)(`the command line ${onWebgpu}`, () => {
  test("trains, records the device, and its classifier is the CPU's on either device", async () => {
    const out = join(temporaryFolder(), "run");
    const settings = ["--epochs", "1", "--hidden", "16", "--json"];
    const trained = await isonorm("train", digits, "--device", "webgpu", "--out", out, ...settings);
    expect(trained.status, trained.stderr).toBe(0);
    expect(JSON.parse(readFileSync(join(out, "run.json"), "utf8"))).toMatchObject({ device: "webgpu", status: "done" });
    const onCpu = doneOf(await isonorm("train", digits, "--out", join(temporaryFolder(), "run"), ...settings));
    const losses = [doneOf(trained), onCpu].map(({ validation }) => (validation as { loss: number }).loss);
    expect(losses[0]! / losses[1]! - 1).toBeCloseTo(0, 3);

    const evaluated = await isonorm("evaluate", out, digits, "--device", "webgpu", "--json");
    expect(doneOf(evaluated).loss).toBeCloseTo((doneOf(trained).test as { loss: number }).loss, 4);
  });
});

// A Vulkan loader that is told of no driver finds no device, whatever the machine has.
test.skipIf(process.platform !== "linux")("where no device is found the command says so, and what to do", async () => {
  vi.stubEnv("VK_DRIVER_FILES", "/nowhere.json");
  vi.stubEnv("VK_ICD_FILENAMES", "/nowhere.json");
  onTestFinished(() => void vi.unstubAllEnvs());
  for (const command of ["train", "search"]) {
    const ran = await isonorm(command, digits, "--device", "webgpu", "--out", join(temporaryFolder(), "run"));
    expect(ran.stderr).toMatch(/error ISO_DEVICE_UNAVAILABLE: no WebGPU device was found: .*--device cpu/);
    expect(ran.status).toBe(2);
  }
});
