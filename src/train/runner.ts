import type { InferenceSession, Tensor as OrtTensor, TensorConstructor } from "onnxruntime-common";
import { elementCount, type Tensor } from "../onnx/types.js";
import { nextName, type StateTensor } from "./state.js";
import type { CompiledStep } from "./step.js";

/** Opens an ONNX Runtime session; onnxruntime-node and onnxruntime-web both offer it as `InferenceSession.create`. */
export type CreateSession = (model: Uint8Array, options?: InferenceSession.SessionOptions) => Promise<InferenceSession>;

/** What one training step gives back. */
export interface StepResult {
  /** Mean loss of the batch. */
  readonly loss: number;
  /** Examples of the batch whose class was right. */
  readonly correct: number;
  /** False where the loss or a new weight was not finite: the state was left as it was. */
  readonly finite: boolean;
}

interface Slot {
  readonly state: StateTensor;
  /** Two buffers: one holds the present value, the step writes the next value into the other. */
  readonly buffers: readonly [OrtTensor, OrtTensor];
}

/**
 * Runs compiled training steps and owns the training state. Every updated tensor has two buffers; a step reads one and writes the
 * other, and only a step with finite results makes the written ones the present ones. So a bad step costs nothing and changes nothing.
 */
export class StepRunner {
  readonly #session: InferenceSession;
  /** Of the session's own package: a session leaves preallocated outputs of another package's class unwritten, without a word. */
  readonly #Tensor: TensorConstructor;
  readonly #step: CompiledStep;
  readonly #slots: readonly Slot[];
  readonly #constants: Readonly<Record<string, OrtTensor>>;
  #present: 0 | 1 = 0;

  constructor(
    runtime: { readonly session: InferenceSession; readonly Tensor: TensorConstructor },
    step: CompiledStep,
    state: ReadonlyMap<string, Tensor>,
  ) {
    this.#session = runtime.session;
    this.#Tensor = runtime.Tensor;
    this.#step = step;
    const initial = (tensor: StateTensor): Float32Array => {
      const value = state.get(tensor.name) ?? tensor.initial;
      if (value.dtype !== "float32" || value.data.length !== elementCount(tensor.initial.shape))
        throw new TypeError(
          `state tensor ${tensor.name} is ${value.dtype}[${value.shape}], expected float32[${tensor.initial.shape}]`,
        );
      return value.data;
    };
    const tensor = (data: Float32Array, like: StateTensor): OrtTensor =>
      new this.#Tensor("float32", data, like.initial.shape);
    this.#slots = step.state
      .filter((state) => state.updated)
      .map((state) => {
        const data = initial(state);
        return { state, buffers: [tensor(data.slice(), state), tensor(new Float32Array(data.length), state)] };
      });
    this.#constants = Object.fromEntries(
      step.state.filter((state) => !state.updated).map((state) => [state.name, tensor(initial(state).slice(), state)]),
    );
  }

  /**
   * One training step.
   *
   * @param records - packed records, [batch, ...record]
   * @param targets - soft targets, [batch, classes]
   * @param scalars - the step's scalar inputs by name (learning rates, optimizer's corrections)
   * @param masks - dropout masks by name
   */
  async run(
    records: Uint8Array | Float32Array,
    targets: Float32Array,
    scalars: Readonly<Record<string, number>>,
    masks: Readonly<Record<string, Float32Array>> = {},
  ): Promise<StepResult> {
    const { inputs } = this.#step;
    const feeds: Record<string, OrtTensor> = { ...this.#constants };
    feeds[inputs.records.name] =
      records instanceof Uint8Array
        ? new this.#Tensor("uint8", records, inputs.records.shape)
        : new this.#Tensor("float32", records, inputs.records.shape);
    feeds[inputs.targets.name] = new this.#Tensor("float32", targets, inputs.targets.shape);
    for (const name of inputs.scalars) {
      const value = scalars[name];
      if (value === undefined) throw new TypeError(`the step needs the scalar ${name}`);
      feeds[name] = new this.#Tensor("float32", Float32Array.of(value), []);
    }
    for (const mask of inputs.masks) {
      const value = masks[mask.name];
      if (!value) throw new TypeError(`the step needs the dropout mask ${mask.name}`);
      feeds[mask.name] = new this.#Tensor("float32", value, mask.shape);
    }
    const fetches: Record<string, OrtTensor | null> = { loss: null, correct: null, health: null };
    const next = this.#present === 0 ? 1 : 0;
    for (const { state, buffers } of this.#slots) {
      feeds[state.name] = buffers[this.#present];
      fetches[nextName(state.name)] = buffers[next];
    }
    const results = await this.#session.run(feeds, fetches);
    const scalar = (name: string): number => Number(results[name]!.data[0]);
    const loss = scalar("loss");
    const finite = Number.isFinite(loss) && Number.isFinite(scalar("health"));
    if (finite) this.#present = next;
    return { loss, correct: scalar("correct"), finite };
  }

  /** Present value of every state tensor as the runtime's tensors, without a copy: for evaluation and saving. */
  present(): Map<string, OrtTensor> {
    const tensors = new Map<string, OrtTensor>(Object.entries(this.#constants));
    for (const { state, buffers } of this.#slots) tensors.set(state.name, buffers[this.#present]);
    return tensors;
  }

  /** A copy of the present state, in the order of the step's declaration. */
  snapshot(): Map<string, Tensor> {
    const present = this.present();
    return new Map(
      this.#step.state.map(({ name, initial }) => [
        name,
        { dtype: "float32", shape: initial.shape, data: Float32Array.from(present.get(name)!.data as Float32Array) },
      ]),
    );
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}
