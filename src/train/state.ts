import type { MatrixOrder } from "../lowering/index.js";
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

/** One tensor of the training state. */
export interface StateTensor {
  /** What checkpoints and evaluation know it by. */
  readonly name: string;
  readonly role: StateRole;
  /** The weight it belongs to; its own name for a weight or statistic. */
  readonly weight: string;
  /** Whether the step computes a new value. */
  readonly updated: boolean;
  readonly initial: Tensor;
}

/** An input of the step's graph that holds state: one tensor, or several one behind the other. */
export interface StateInput {
  /** Of a lone tensor its own. */
  readonly name: string;
  /** A lone tensor's own, or, if it is held in another order, what it is then; of several [elements of all]. */
  readonly shape: readonly number[];
  /** The order in which a lone matrix is held; its own where there is none. */
  readonly order?: MatrixOrder;
  /** Whether the step computes a new value; its output is then named `next:` + name. */
  readonly updated: boolean;
  readonly tensors: readonly StateTensor[];
}

/** The step's output that carries a state input's new value. */
export const nextName = (name: string): string => `next:${name}`;
export const slotName = (weight: string, slot: string): string => `${weight}#${slot}`;
export const norm0Name = (weight: string): string => `${weight}#norm0`;
export const averageName = (weight: string): string => `${weight}#average`;
