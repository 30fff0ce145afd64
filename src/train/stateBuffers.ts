import type { InferenceSession, Tensor as OrtTensor, TensorConstructor } from "onnxruntime-common";
import { GraphBuilder } from "../graph/index.js";
import { elementCount, type Graph, type Tensor } from "../onnx/types.js";
import { nextName, type StateTensor } from "./state.js";
import type { CompiledStep } from "./step.js";

/**
 * Where the training state lies between steps. A step reads the present state and writes the next one elsewhere, which becomes the present one only if it is
 * accepted: a bad step changes nothing.
 */
export interface StateBuffers {
  /** Present value of every state tensor as the runtime's tensors, without a copy: for steps and evaluation. They hold until the next step is settled. */
  present(): Map<string, OrtTensor>;
  /** What a step's new values are to be written to, by output name; null where the runtime is to say. */
  next(): Readonly<Record<string, OrtTensor | null>>;
  /** After a step: its results become the present state, or are dropped. */
  settle(results: Readonly<Record<string, OrtTensor>>, accepted: boolean): void;
  /** A copy of the present state in the process's memory, in the order of the step's declaration. */
  snapshot(): Promise<Map<string, Tensor>>;
  /** Frees what the state takes; it cannot be used afterwards. */
  release(): Promise<void>;
}

/** State in the process's memory: two buffers for every updated tensor, of which a step reads one and writes the other. */
export class HostBuffers implements StateBuffers {
  readonly #step: CompiledStep;
  readonly #slots: readonly { readonly name: string; readonly buffers: readonly [OrtTensor, OrtTensor] }[];
  readonly #constants: ReadonlyMap<string, OrtTensor>;
  #present: 0 | 1 = 0;

  /**
   * @param Tensor - of the session's own package: a session leaves preallocated outputs of another package's class unwritten, without a word
   * @param state - values to start from; a tensor's initial one where it is not among them
   */
  constructor(Tensor: TensorConstructor, step: CompiledStep, state: ReadonlyMap<string, Tensor>) {
    this.#step = step;
    const tensor = (data: Float32Array, { initial }: StateTensor): OrtTensor =>
      new Tensor("float32", data, initial.shape);
    const copied = (of: StateTensor): OrtTensor => tensor(startValue(of, state).slice(), of);
    this.#slots = step.state
      .filter(({ updated }) => updated)
      .map((of) => ({
        name: of.name,
        buffers: [copied(of), tensor(new Float32Array(elementCount(of.initial.shape)), of)],
      }));
    this.#constants = new Map(step.state.filter(({ updated }) => !updated).map((of) => [of.name, copied(of)]));
  }

  present(): Map<string, OrtTensor> {
    const tensors = new Map(this.#constants);
    for (const { name, buffers } of this.#slots) tensors.set(name, buffers[this.#present]);
    return tensors;
  }

  next(): Record<string, OrtTensor> {
    const other = this.#present === 0 ? 1 : 0;
    return Object.fromEntries(this.#slots.map(({ name, buffers }) => [nextName(name), buffers[other]]));
  }

  settle(_: Readonly<Record<string, OrtTensor>>, accepted: boolean): void {
    if (accepted) this.#present = this.#present === 0 ? 1 : 0;
  }

  async snapshot(): Promise<Map<string, Tensor>> {
    const present = this.present();
    return new Map(
      this.#step.state.map(({ name, initial }) => [
        name,
        { dtype: "float32", shape: initial.shape, data: Float32Array.from(present.get(name)!.data as Float32Array) },
      ]),
    );
  }

  async release(): Promise<void> {}
}

/** Sessions of {@link copyGraph} that bring tensors to a device and back: onnxruntime-node's tensors on a device cannot be read otherwise. */
export interface CopySessions {
  /** Its outputs stay on the device. */
  readonly upload: InferenceSession;
  /** Its outputs lie in the process's memory. */
  readonly download: InferenceSession;
}

/** A graph that copies every state tensor to an output named `copy:` + name. */
export function copyGraph(step: CompiledStep): Graph {
  const b = new GraphBuilder();
  for (const { name, initial } of step.state) b.output(copyName(name), b.input(name, "float32", initial.shape));
  return b.finish("copy of the training state");
}

export const copyName = (name: string): string => `copy:${name}`;

/** State on a device: what a step gives stays there and goes into the next one. Only snapshots are brought back. */
export class DeviceBuffers implements StateBuffers {
  readonly #step: CompiledStep;
  readonly #sessions: CopySessions;
  readonly #updated: readonly string[];
  #present: Map<string, OrtTensor>;

  private constructor(step: CompiledStep, sessions: CopySessions, present: Map<string, OrtTensor>) {
    this.#step = step;
    this.#sessions = sessions;
    this.#updated = step.state.filter(({ updated }) => updated).map(({ name }) => name);
    this.#present = present;
  }

  /** Brings the state to the device. Parameters as of {@link HostBuffers}. */
  static async open(
    Tensor: TensorConstructor,
    step: CompiledStep,
    state: ReadonlyMap<string, Tensor>,
    sessions: CopySessions,
  ): Promise<DeviceBuffers> {
    const feeds = step.state.map((of) => [of.name, new Tensor("float32", startValue(of, state), of.initial.shape)]);
    const copies = await sessions.upload.run(Object.fromEntries(feeds) as Record<string, OrtTensor>);
    return new DeviceBuffers(step, sessions, new Map(step.state.map(({ name }) => [name, copies[copyName(name)]!])));
  }

  present(): Map<string, OrtTensor> {
    return new Map(this.#present);
  }

  next(): Record<string, null> {
    return Object.fromEntries(this.#updated.map((name) => [nextName(name), null]));
  }

  /** What is no longer needed is freed at once: garbage collection knows nothing of a device's memory. */
  settle(results: Readonly<Record<string, OrtTensor>>, accepted: boolean): void {
    for (const name of this.#updated) {
      const next = results[nextName(name)]!;
      if (!accepted) next.dispose();
      else {
        this.#present.get(name)!.dispose();
        this.#present.set(name, next);
      }
    }
  }

  async snapshot(): Promise<Map<string, Tensor>> {
    const copies = await this.#sessions.download.run(Object.fromEntries(this.#present));
    return new Map(
      this.#step.state.map(({ name, initial }) => [
        name,
        {
          dtype: "float32",
          shape: initial.shape,
          data: Float32Array.from(copies[copyName(name)]!.data as Float32Array),
        },
      ]),
    );
  }

  async release(): Promise<void> {
    for (const tensor of this.#present.values()) tensor.dispose();
    this.#present = new Map();
    await this.#sessions.upload.release();
    await this.#sessions.download.release();
  }
}

function startValue(of: StateTensor, state: ReadonlyMap<string, Tensor>): Float32Array {
  const value = state.get(of.name) ?? of.initial;
  if (value.dtype === "float32" && value.data.length === elementCount(of.initial.shape)) return value.data;
  throw new TypeError(
    `state tensor ${of.name} is ${value.dtype}[${value.shape}], expected float32[${of.initial.shape}]`,
  );
}
