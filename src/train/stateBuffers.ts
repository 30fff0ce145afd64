import type { InferenceSession, Tensor as OrtTensor, TensorConstructor } from "onnxruntime-common";
import { GraphBuilder } from "../graph/index.js";
import { fromOrder, toOrder } from "../lowering/index.js";
import { elementCount, type Graph, type Tensor } from "../onnx/types.js";
import { nextName, type StateInput, type StateTensor } from "./state.js";
import type { CompiledStep } from "./step.js";

/**
 * Where the training state lies between steps. A step reads the present state and writes the next one elsewhere, which becomes the present one only if it is
 * accepted: a bad step changes nothing.
 */
export interface StateBuffers {
  /** Present value of every state input of the step, by its name. */
  inputs(): Readonly<Record<string, OrtTensor>>;
  /** Present value of every state tensor as the runtime's tensors, for evaluation; a copy only of what is held in another order. They hold until the next step is settled. */
  present(): ReadonlyMap<string, OrtTensor>;
  /** What a step's new values are to be written to, by output name; null where the runtime is to say. */
  next(): Readonly<Record<string, OrtTensor | null>>;
  /** After a step: its results become the present state, or are dropped. */
  settle(results: Readonly<Record<string, OrtTensor>>, accepted: boolean): void;
  /** A copy of the present state in the process's memory, in the order of the step's declaration. */
  snapshot(): Promise<Map<string, Tensor>>;
  /** Frees what the state takes; it cannot be used afterwards. */
  release(): Promise<void>;
}

/** One buffer of a state input, and the state tensors that lie in it, in the buffer's order. */
interface HostBuffer {
  readonly whole: OrtTensor;
  readonly parts: readonly (readonly [of: StateTensor, tensor: OrtTensor])[];
}

/** State in the process's memory: two buffers for every updated input, of which a step reads one and writes the other. */
export class HostBuffers implements StateBuffers {
  readonly #Tensor: TensorConstructor;
  readonly #step: Pick<CompiledStep, "state" | "stateInputs">;
  /** In the order of the step's state inputs; of one that is not updated both are the same. */
  readonly #buffers: readonly { readonly input: StateInput; readonly pair: readonly [HostBuffer, HostBuffer] }[];
  #present: 0 | 1 = 0;

  /**
   * @param Tensor - of the session's own package: a session leaves preallocated outputs of another package's class unwritten, without a word
   * @param state - values to start from; a tensor's initial one where it is not among them
   */
  constructor(
    Tensor: TensorConstructor,
    step: Pick<CompiledStep, "state" | "stateInputs">,
    state: ReadonlyMap<string, Tensor>,
  ) {
    this.#Tensor = Tensor;
    this.#step = step;
    const empty = (input: StateInput): HostBuffer => {
      const data = new Float32Array(elementCount(input.shape));
      let end = 0;
      const parts = input.tensors.map((of) => {
        const begin = end;
        end += elementCount(of.initial.shape);
        return [of, new Tensor("float32", data.subarray(begin, end), of.initial.shape)] as const;
      });
      return { whole: new Tensor("float32", data, input.shape), parts };
    };
    this.#buffers = step.stateInputs.map((input) => {
      const first = empty(input);
      for (const [of, part] of first.parts) {
        const value = startValue(of, state);
        (part.data as Float32Array).set(input.order ? toOrder(value, of.initial.shape, input.order) : value);
      }
      return { input, pair: [first, input.updated ? empty(input) : first] };
    });
  }

  inputs(): Record<string, OrtTensor> {
    return Object.fromEntries(this.#buffers.map(({ input, pair }) => [input.name, pair[this.#present].whole]));
  }

  present(): Map<string, OrtTensor> {
    const tensors = this.#buffers.flatMap(({ input: { order }, pair }) =>
      pair[this.#present].parts.map(
        ([
          {
            name,
            initial: { shape },
          },
          part,
        ]): [string, OrtTensor] => {
          if (!order) return [name, part];
          return [name, new this.#Tensor("float32", fromOrder(part.data as Float32Array, shape, order), shape)];
        },
      ),
    );
    return new Map(tensors);
  }

  next(): Record<string, OrtTensor> {
    const other = this.#present === 0 ? 1 : 0;
    const updated = this.#buffers.filter(({ input }) => input.updated);
    return Object.fromEntries(updated.map(({ input, pair }) => [nextName(input.name), pair[other].whole]));
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

/** State on a device, of steps with an input for every tensor: what a step gives stays there and goes into the next one. Only snapshots are brought back. */
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

  inputs(): Record<string, OrtTensor> {
    return Object.fromEntries(this.#present);
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
