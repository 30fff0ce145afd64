import type { Tensor } from "../onnx/types.js";

/** What a state tensor is for. */
export type StateRole =
  /** a trained weight */
  | "weight"
  /** an optimizer's memory for a weight (momentum, second moment) */
  | "slot"
  /** batch normalisation's running mean or variance */
  | "statistic"
  /** moving average of a weight */
  | "average"
  /** Norm_0 of a weight: measured once, never changed */
  | "norm0";

/** One tensor of the training state: an input of the step and, unless constant, an output. */
export interface StateTensor {
  /** The step's input; the checkpoint's tensor name. */
  readonly name: string;
  readonly role: StateRole;
  /** The weight it belongs to; its own name for a weight or statistic. */
  readonly weight: string;
  /** Whether the step computes a new value; its output is then named `next:` + name. */
  readonly updated: boolean;
  readonly initial: Tensor;
}

/** The step's output that carries a state tensor's new value. */
export const nextName = (name: string): string => `next:${name}`;
export const slotName = (weight: string, slot: string): string => `${weight}#${slot}`;
export const norm0Name = (weight: string): string => `${weight}#norm0`;
export const averageName = (weight: string): string => `${weight}#average`;
