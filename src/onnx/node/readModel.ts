import { readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { IsonormError } from "../../errors.js";
import { decode } from "../decode.js";
import { maxModelBytes } from "../schema.js";
import type { Model } from "../types.js";
import { validateGraph } from "../validateGraph.js";
import { ExternalData } from "./externalData.js";

/**
 * Reads a model from a file, with the tensors that it keeps in other files of its folder, and checks its graph.
 *
 * @example
 * const model = readModel("models/squeezenet.onnx");
 *
 * @throws ISO_MODEL_UNREADABLE where there is no such file or it may not be read; ISO_ONNX_EXTERNAL_DATA where tensors lie outside the
 * model's folder or the data file is too short; what `decode` and `validateGraph` throw
 */
export function readModel(path: string): Model {
  const bytes = readWhole(path);
  const external = new ExternalData(dirname(path), path);
  try {
    const model = decode(bytes, {
      source: path,
      externalData: (location, offset, length) => external.read(location, offset, length),
    });
    validateGraph(model, path);
    return model;
  } finally {
    external.close();
  }
}

function readWhole(path: string): Uint8Array {
  try {
    const status = statSync(path);
    // Opening a pipe or a device could block for ever.
    if (!status.isFile()) throw unreadable(path, status.isDirectory() ? "it is a folder" : "it is no regular file");
    if (status.size > maxModelBytes)
      throw new IsonormError(
        "ISO_ONNX_TOO_LARGE",
        `${path}: the file has ${status.size} bytes, more than ${maxModelBytes}`,
        "Keep large tensors in an external data file",
      );
    return readFileSync(path);
  } catch (error) {
    if (error instanceof IsonormError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw unreadable(path, reason, error);
  }
}

function unreadable(path: string, reason: string, cause?: unknown): IsonormError {
  return new IsonormError("ISO_MODEL_UNREADABLE", `cannot read the model ${path}: ${reason}`, "Check the path", {
    cause,
  });
}
