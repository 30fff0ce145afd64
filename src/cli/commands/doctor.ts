import { availableParallelism, cpus, freemem, totalmem } from "node:os";
import { listSupportedBackends } from "onnxruntime-node";
import { IsonormError } from "../../errors.js";
import { vulkanDrivers } from "../../run/device.js";
import { loweringHere } from "../../run/lowering.js";
import { physicalCores } from "../../run/physicalCores.js";
import { versions } from "../../run/versions.js";
import { bytes } from "../format.js";
import { Output } from "../output.js";
import type { RawOptions } from "../trainingOptions.js";

interface Finding {
  readonly name: string;
  readonly value: string;
  readonly problem?: string;
}

/** `isonorm doctor`: what there is, and what is missing. */
export async function doctor(options: RawOptions): Promise<void> {
  const output = new Output({ json: options.json === true });
  const findings: Finding[] = Object.entries(versions()).map(([name, value]) => ({ name, value }));
  const backends = listSupportedBackends().map(({ name }) => name);
  findings.push({ name: "providers in this build of ONNX Runtime", value: backends.join(", ") });
  findings.push({ name: "processor", value: cpus()[0]?.model ?? "unknown" });
  findings.push({
    name: "threads of a training by default",
    value: `${physicalCores()}, one for each physical core (${availableParallelism()} processors)`,
  });
  findings.push(await recipesFinding());
  findings.push({ name: "memory", value: `${bytes(freemem())} free of ${bytes(totalmem())}` });
  findings.push(await trainsFinding());
  findings.push(await webgpuFinding(backends));
  findings.push(await imagesFinding());
  const node = process.versions.node.split(".").map(Number);
  if (node[0]! < 20 || (node[0] === 20 && node[1]! < 9))
    findings.push({ name: "node", value: process.versions.node, problem: "isonorm needs Node 20.9 or newer" });

  for (const { name, value, problem } of findings)
    output.say(`${name.padEnd(42)}${problem ? `PROBLEM: ${problem}` : value}`);
  const problems = findings.filter(({ problem }) => problem !== undefined);
  output.say();
  output.say(problems.length === 0 ? "everything that training needs is here" : `${problems.length} problems`);
  output.event({ event: "doctor", backends, findings, ok: problems.length === 0 } as { event: string });
  if (problems.length > 0) process.exitCode = 1;
}

/** What says how operators are computed. */
async function recipesFinding(): Promise<Finding> {
  const name = "operators are chosen by";
  try {
    return { name, value: (await loweringHere("cpu", physicalCores())).chosenBy };
  } catch (error) {
    return { name, value: "fails", problem: error instanceof Error ? error.message : String(error) };
  }
}

/** Compiles and runs a real training step, the smallest there is. */
async function trainsFinding(): Promise<Finding> {
  const name = "training step on the CPU";
  try {
    const { selfTest } = await import("../../run/selfTest.js");
    const milliseconds = await selfTest();
    return { name, value: `works (compiled and run in ${Math.round(milliseconds)} ms)` };
  } catch (error) {
    return { name, value: "fails", problem: error instanceof Error ? error.message : String(error) };
  }
}

/** The same through WebGPU. That there is no such device is no problem: nothing needs one. */
async function webgpuFinding(backends: readonly string[]): Promise<Finding> {
  const name = "training step through WebGPU";
  if (!backends.includes("webgpu")) return { name, value: "not in this build of ONNX Runtime" };
  const drivers = vulkanDrivers();
  const found = drivers ? `; Vulkan drivers: ${drivers.join(", ") || "none"}` : "";
  try {
    const { selfTest } = await import("../../run/selfTest.js");
    const milliseconds = await selfTest("webgpu");
    return { name, value: `works (compiled and run in ${Math.round(milliseconds)} ms${found})` };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof IsonormError && error.code === "ISO_DEVICE_UNAVAILABLE")
      return { name, value: `${message.split(". ")[0]}${found}` };
    return { name, value: "fails", problem: `${message}${found}` };
  }
}

async function imagesFinding(): Promise<Finding> {
  const name = "image decoding";
  try {
    const { default: sharp } = await import("sharp");
    const pixel = await sharp({ create: { width: 1, height: 1, channels: 3, background: "red" } })
      .png()
      .toBuffer();
    await sharp(pixel).raw().toBuffer();
    return { name, value: `works (libvips ${sharp.versions.vips})` };
  } catch (error) {
    return { name, value: "fails", problem: error instanceof Error ? error.message : String(error) };
  }
}
