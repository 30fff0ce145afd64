import { closeSync, fstatSync, openSync, readSync, realpathSync, statSync } from "node:fs";
import { isAbsolute, relative, resolve, sep } from "node:path";
import { IsonormError } from "../../errors.js";

/**
 * The data files beside a model, opened when first asked for. A model's file says where its data are and may come from anywhere, so
 * locations are followed, symbolic links included, and must end inside the model's own folder.
 */
export class ExternalData {
  readonly #folder: string;
  readonly #source: string;
  readonly #files = new Map<string, { handle: number; size: number }>();

  /** @param source - what messages call the model */
  constructor(folder: string, source: string) {
    this.#folder = resolve(folder);
    this.#source = source;
  }

  /**
   * `length` bytes from `offset` of the file at `location`, in a buffer of their own.
   *
   * @throws ISO_ONNX_EXTERNAL_DATA where the file is outside the folder, missing, no regular file, or too short
   */
  read(location: string, offset: number, length: number): Uint8Array {
    const { handle, size } = this.#open(location);
    if (offset + length > size)
      throw this.#refuse(
        `bytes ${offset} to ${offset + length} of the data file "${location}" are asked for, but it has only ${size}`,
        "Check that the data file belongs to the model and is complete",
      );
    const bytes = new Uint8Array(length);
    let read = 0;
    while (read < length) {
      const count = readSync(handle, bytes, read, Math.min(length - read, 64 * 2 ** 20), offset + read);
      if (count === 0)
        throw this.#refuse(`the data file "${location}" became shorter while it was read`, "Read it again");
      read += count;
    }
    return bytes;
  }

  close(): void {
    for (const { handle } of this.#files.values()) closeSync(handle);
    this.#files.clear();
  }

  #open(location: string): { handle: number; size: number } {
    const known = this.#files.get(location);
    if (known) return known;
    const path = this.#resolve(location);
    try {
      // Opening a pipe or a device could block for ever.
      if (!statSync(path).isFile())
        throw this.#refuse(`the data file "${location}" is no regular file`, "Check the model");
      const handle = openSync(path, "r");
      const file = { handle, size: fstatSync(handle).size };
      this.#files.set(location, file);
      return file;
    } catch (error) {
      if (error instanceof IsonormError) throw error;
      throw this.#unreadable(location, error);
    }
  }

  #resolve(location: string): string {
    const outside = () =>
      this.#refuse(
        `the model keeps data in "${location}", which is outside its folder ${this.#folder}`,
        "Put the data file into the model's folder, or save the model with its data inside",
      );
    const claimed = resolve(this.#folder, location);
    if (isAbsolute(location) || !isInside(this.#folder, claimed)) throw outside();
    try {
      const real = realpathSync(claimed);
      if (!isInside(realpathSync(this.#folder), real)) throw outside();
      return real;
    } catch (error) {
      if (error instanceof IsonormError) throw error;
      throw this.#unreadable(location, error);
    }
  }

  #unreadable(location: string, cause: unknown): IsonormError {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return this.#refuse(`cannot read the data file "${location}": ${reason}`, "Put it beside the model", { cause });
  }

  #refuse(what: string, remedy: string, options?: ErrorOptions): IsonormError {
    return new IsonormError("ISO_ONNX_EXTERNAL_DATA", `${this.#source}: ${what}`, remedy, options);
  }
}

function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== "" && way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
