import { IsonormError } from "../errors.js";
import { bytesOfTensor } from "./dataType.js";
import { TensorProto } from "./schema.js";
import { elementCount, onnxDataType, type Tensor } from "./types.js";
import { lengthPrefix, writeMessage } from "./wire.js";

const text = new TextEncoder();

/**
 * A TensorProto up to the contents of raw_data, which `rawBytes` gives.
 *
 * @throws ISO_GRAPH_INVALID where the shape does not fit the data
 */
export function encodeTensorHead(tensor: Tensor, name: string): Uint8Array {
  const { dtype, shape, data } = tensor;
  if (
    !shape.every((dimension) => Number.isSafeInteger(dimension) && dimension >= 0) ||
    elementCount(shape) !== data.length
  )
    throw new IsonormError(
      "ISO_GRAPH_INVALID",
      `tensor "${name}" of shape [${shape}] holds ${data.length} elements`,
      "Give it as many elements as the product of its shape",
    );
  const head = writeMessage(TensorProto, {
    dims: shape.map(BigInt),
    dataType: onnxDataType[dtype],
    name: name === "" ? undefined : name,
    stringData: dtype === "string" ? tensor.data.map((element) => text.encode(element)) : [],
  });
  if (dtype === "string") return head;
  const prefix = lengthPrefix(TensorProto.rawData.number, rawBytes(tensor).length);
  const whole = new Uint8Array(head.length + prefix.length);
  whole.set(head);
  whole.set(prefix, head.length);
  return whole;
}

/** The contents of raw_data, as a view of the tensor; empty for strings, which do not stand there. */
export function rawBytes(tensor: Tensor): Uint8Array {
  return tensor.dtype === "string" ? new Uint8Array(0) : bytesOfTensor(tensor);
}

/** The whole TensorProto in one piece. */
export function encodeTensor(tensor: Tensor, name: string): Uint8Array {
  const head = encodeTensorHead(tensor, name);
  const raw = rawBytes(tensor);
  const whole = new Uint8Array(head.length + raw.length);
  whole.set(head);
  whole.set(raw, head.length);
  return whole;
}
