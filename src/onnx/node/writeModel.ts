import { writeFileAtomically } from "../../files/index.js";
import { encodeChunks } from "../encode.js";
import type { Model } from "../types.js";

/**
 * Writes a model to a file, all of it or nothing: a crash leaves the previous file as it was.
 *
 * @throws what `encode` throws; the system's own error where the file cannot be written
 */
export function writeModel(path: string, model: Model): void {
  writeFileAtomically(path, encodeChunks(model));
}
