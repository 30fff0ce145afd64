import type { DataType, Tensor } from "../onnx/types.js";

/** A value inside a graph under construction: its type is always fully known, its contents where they are constant. */
export interface Value {
  readonly name: string;
  readonly dtype: DataType;
  readonly shape: readonly number[];
  /** The contents, where they are known before the graph runs (initializers and what folds from them). */
  readonly constant?: Tensor;
}

/** A tensor's type: what shape inference gives for each output of a node. */
export interface TensorType {
  readonly dtype: DataType;
  readonly shape: readonly number[];
  /** Set where the contents follow from constant inputs and stay small (shape arithmetic). */
  readonly constant?: Tensor;
}
