import { existsSync, readdirSync } from "node:fs";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { IsonormError } from "../errors.js";
import { GraphBuilder } from "../graph/index.js";
import { webgpuProvider } from "../lowering/index.js";
import { encode, type Model, type Tensor } from "../onnx/index.js";
import {
  type CompiledStep,
  copyGraph,
  DeviceBuffers,
  measureChannelBlock,
  nextName,
  StepRunner,
} from "../train/index.js";
import type { Device } from "./deviceName.js";
import { servingOptions, trainingOptions, workerOptions } from "./sessionOptions.js";
import { uncopied, withUnconvertedOutput } from "./uncopiedOutputs.js";

/** What runs on a device: the provider, and how many of the processor's threads it may use for what is left to the processor. */
export interface Execution {
  readonly device: Device;
  /** All cores by default. */
  readonly threads?: number;
}

export interface SessionDetails {
  /** What the session is for; serving by default. */
  readonly options?: (threads?: number) => InferenceSession.SessionOptions;
  /** Outputs that stay on the device. */
  readonly onDevice?: readonly string[];
  /** The provider for WebGPU, by default as graphs that were lowered for it need it. */
  readonly provider?: InferenceSession.ExecutionProviderConfig;
}

/**
 * A session on a device.
 *
 * @throws ISO_DEVICE_UNAVAILABLE where there is no such device
 * The session's runs throw ISO_DEVICE_FAILED where the device fails.
 */
export async function openSession(
  model: Uint8Array,
  { device, threads }: Execution,
  { onDevice = [], provider = webgpuProvider, options: optionsOf = servingOptions }: SessionDetails = {},
): Promise<InferenceSession> {
  const options = optionsOf(threads);
  if (device === "cpu") {
    try {
      return await InferenceSession.create(model, options);
    } catch (cause) {
      throw refusedModel(cause) ?? cause;
    }
  }
  try {
    const session = await InferenceSession.create(model, {
      ...options,
      executionProviders: [provider],
      preferredOutputLocation: Object.fromEntries(onDevice.map((name) => [name, "gpu-buffer"])),
      // Warnings tell of nodes that run on the processor by design.
      logSeverityLevel: 3,
    });
    return failingInWords(session);
  } catch (cause) {
    if (/adapter|GetProviders|not supported in this build|Device/i.test(String(cause))) throw missing(cause);
    throw cause;
  }
}

/** What ONNX Runtime says of a model with an attribute of the wrong kind, or of types that it has no kernel for, which no rule here had looked at. */
function refusedModel(cause: unknown): IsonormError | undefined {
  const reason = String(cause);
  if (!/invalid model|could not find an implementation|type error/i.test(reason)) return undefined;
  return new IsonormError(
    "ISO_ONNX_UNSUPPORTED",
    `ONNX Runtime does not take the network (${reason})`,
    "Correct the model at the node named",
    { cause },
  );
}

/** See `measureChannelBlock`. */
export function channelBlockHere(): Promise<number | undefined> {
  return measureChannelBlock({
    createSession: (bytes) => openSession(bytes, { device: "cpu", threads: 1 }, { options: workerOptions }),
    Tensor: OrtTensor,
  });
}

/** A runner whose state lies on the device, or, for the CPU, in the process's memory. */
export async function openRunner(
  model: Omit<Model, "graph">,
  step: CompiledStep,
  state: ReadonlyMap<string, Tensor>,
  execution: Execution,
): Promise<StepRunner> {
  const bytes = (graph: Model["graph"]): Uint8Array => encode({ ...model, graph, opsets: step.opsets });
  if (execution.device === "cpu") {
    const graph = bytes(withUnconvertedOutput(step.graph));
    const session = uncopied(await openSession(graph, execution, { options: trainingOptions }));
    return new StepRunner({ session, Tensor: OrtTensor }, step, state);
  }
  const nextNames = step.state.filter(({ updated }) => updated).map(({ name }) => nextName(name));
  const session = await openSession(bytes(step.graph), execution, { onDevice: nextNames });
  const copy = copyGraph(step);
  const outputs = copy.outputs.map(({ name }) => name);
  const buffers = await DeviceBuffers.open(OrtTensor, step, state, {
    upload: await openSession(bytes(copy), execution, { onDevice: outputs }),
    download: await openSession(bytes(copy), execution),
  });
  return new StepRunner({ session, Tensor: OrtTensor }, step, buffers);
}

/** Throws ISO_DEVICE_UNAVAILABLE where there is no such device, before anything costly is done for it. */
export async function requireAvailable(device: Device): Promise<void> {
  if (device === "cpu") return;
  const b = new GraphBuilder();
  b.output("y", b.relu(b.input("x", "float32", [1])));
  const bytes = encode({
    graph: b.finish("device"),
    irVersion: 10,
    opsets: new Map([["", 21]]),
    producerName: "isonorm",
    producerVersion: "",
    metadata: new Map(),
  });
  const session = await openSession(bytes, { device, threads: 1 });
  await session.release();
}

/** Names of the Vulkan drivers that a process on Linux finds, which ONNX Runtime does not tell; undefined on other systems. */
export function vulkanDrivers(): readonly string[] | undefined {
  if (process.platform !== "linux") return undefined;
  const { VK_DRIVER_FILES, VK_ICD_FILENAMES, HOME } = process.env;
  const given = VK_DRIVER_FILES ?? VK_ICD_FILENAMES;
  const folders = ["/usr/share", "/etc", "/usr/local/share", ...(HOME ? [`${HOME}/.local/share`] : [])];
  const files = given
    ? given.split(":")
    : folders
        .map((folder) => `${folder}/vulkan/icd.d`)
        .flatMap((folder) => (existsSync(folder) ? readdirSync(folder) : []));
  return files.map((file) => file.replace(/^.*\//, "").replace(/(_icd)?(\.\w+)?\.json$/, ""));
}

/** The session, whose runs throw ISO_DEVICE_FAILED: a device can be lost, run out of memory, or meet an operator that it does not know after all. */
function failingInWords(session: InferenceSession): InferenceSession {
  const run = session.run.bind(session) as (...all: unknown[]) => Promise<InferenceSession.ReturnType>;
  return Object.assign(session, {
    run: (...all: unknown[]) =>
      run(...all).catch((cause: unknown) => {
        throw new IsonormError(
          "ISO_DEVICE_FAILED",
          `the WebGPU device could not go on: ${firstLine(cause)}`,
          "Use --device cpu; if the device's memory ran out, a smaller --batch-size; --resume goes on from the last checkpoint",
          { cause },
        );
      }),
  });
}

function missing(cause: unknown): IsonormError {
  const reason = /No supported adapters/.test(String(cause)) ? "no graphics driver that it can use" : firstLine(cause);
  return new IsonormError(
    "ISO_DEVICE_UNAVAILABLE",
    `no WebGPU device was found: ${reason}`,
    process.platform === "linux"
      ? "Install a Vulkan driver and its loader (libvulkan.so.1), or use --device cpu"
      : "Install a graphics driver, or use --device cpu",
    { cause },
  );
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).trim().split("\n")[0]!.slice(0, 300);
}
