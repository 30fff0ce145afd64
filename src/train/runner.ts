import type { InferenceSession, Tensor as OrtTensor, TensorConstructor } from "onnxruntime-common";
import type { Tensor } from "../onnx/types.js";
import { HostBuffers, type StateBuffers } from "./stateBuffers.js";
import type { CompiledStep } from "./step.js";

/** Opens an ONNX Runtime session; onnxruntime-node and onnxruntime-web both offer it as `InferenceSession.create`. */
export type CreateSession = (model: Uint8Array, options?: InferenceSession.SessionOptions) => Promise<InferenceSession>;

/** What a runner uses of a session. */
export type StepSession = Pick<InferenceSession, "run" | "release">;

/** What one training step gives back. */
export interface StepResult {
  /** Mean loss of the batch. */
  readonly loss: number;
  /** Examples of the batch whose class was right. */
  readonly correct: number;
  /** False where the loss or a new weight was not finite: the state was left as it was. */
  readonly finite: boolean;
}

/** Runs compiled training steps and owns the training state. A step whose results are not finite costs nothing and changes nothing. */
export class StepRunner {
  readonly #session: StepSession;
  readonly #Tensor: TensorConstructor;
  readonly #step: CompiledStep;
  readonly #buffers: StateBuffers;

  /**
   * @param runtime - the session, and the `Tensor` class of the package that it comes from
   * @param state - values to start from, for a state in the process's memory (a tensor's initial one where it is not among them); or where the state lies
   */
  constructor(
    runtime: { readonly session: StepSession; readonly Tensor: TensorConstructor },
    step: CompiledStep,
    state: ReadonlyMap<string, Tensor> | StateBuffers,
  ) {
    this.#session = runtime.session;
    this.#Tensor = runtime.Tensor;
    this.#step = step;
    this.#buffers = "settle" in state ? state : new HostBuffers(runtime.Tensor, step, state);
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
    const feeds: Record<string, OrtTensor> = { ...this.#buffers.inputs() };
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
    const fetches = { loss: null, correct: null, health: null, ...this.#buffers.next() };
    const results = await this.#session.run(feeds, fetches);
    const scalar = (name: string): number => Number(results[name]!.data[0]);
    const loss = scalar("loss");
    const finite = Number.isFinite(loss) && Number.isFinite(scalar("health"));
    this.#buffers.settle(results, finite);
    return { loss, correct: scalar("correct"), finite };
  }

  /** Present value of every state tensor as the runtime's tensors, for evaluation; a copy only of what is held in another order. They hold until the next step. */
  present(): ReadonlyMap<string, OrtTensor> {
    return this.#buffers.present();
  }

  /** A copy of the present state, in the order of the step's declaration. */
  snapshot(): Promise<Map<string, Tensor>> {
    return this.#buffers.snapshot();
  }

  async release(): Promise<void> {
    await this.#buffers.release();
    await this.#session.release();
  }
}
