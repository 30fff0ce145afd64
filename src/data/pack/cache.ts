import { accessSync, constants, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { homedir, tmpdir, userInfo } from "node:os";
import { isAbsolute, join } from "node:path";
import { IsonormError } from "../../errors.js";

/** Where decoded data is kept between runs. Anything in it may be deleted at any time; it is made again. */
export interface Cache {
  readonly folder: string;
  /** Where the wanted folder cannot be written to, one sentence that says so. */
  readonly warning: string | undefined;
}

/** The cache folder as it is wanted: the given one, else $XDG_CACHE_HOME/isonorm, else ~/.cache/isonorm. It need not exist. */
export function wantedCacheFolder(given?: string): string {
  const { XDG_CACHE_HOME: xdg } = process.env;
  return given ?? join(xdg && isAbsolute(xdg) ? xdg : join(homedir(), ".cache"), "isonorm");
}

/**
 * The wanted cache folder, made where needed; where it cannot be written to, a folder of the user's own in the system's folder for temporary files.
 *
 * @throws ISO_OUT_NOT_WRITABLE where neither can be
 */
export function openCache(given?: string): Cache {
  const wanted = wantedCacheFolder(given);
  const refused = tryFolder(wanted);
  if (refused === undefined) return { folder: wanted, warning: undefined };
  const spare = join(tmpdir(), `isonorm-cache-${userInfo().uid}`);
  const refusedToo = tryFolder(spare);
  if (refusedToo === undefined) {
    return {
      folder: spare,
      warning: `The cache folder ${wanted} cannot be written to (${refused}): ${spare} is used.`,
    };
  }
  throw new IsonormError(
    "ISO_OUT_NOT_WRITABLE",
    `Neither the cache folder ${wanted} (${refused}) nor ${spare} (${refusedToo}) can be written to`,
    "Name another cache folder",
  );
}

/** Makes the folder where needed; returns the reason where it cannot be written to. */
function tryFolder(folder: string): string | undefined {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    accessSync(folder, constants.W_OK | constants.X_OK);
    removeStalePartials(folder);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

const partialSuffix = ".partial";
const dayInMilliseconds = 24 * 3600 * 1000;

/** Removes what killed processes left half-written more than a day ago. */
function removeStalePartials(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (!name.endsWith(partialSuffix)) continue;
    const path = join(folder, name);
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats && Date.now() - stats.mtimeMs > dayInMilliseconds) rmSync(path, { force: true });
  }
}

let partials = 0;

/** A name beside `path` that no other process writes to; renaming it to `path` makes the file appear whole or not at all. */
export function partialPath(path: string): string {
  return `${path}.${process.pid}-${partials++}${partialSuffix}`;
}

export function writeWhole(path: string, content: string): void {
  const partial = partialPath(path);
  try {
    writeFileSync(partial, content);
    renameSync(partial, path);
  } catch (error) {
    rmSync(partial, { force: true });
    throw cacheWriteError(path, error);
  }
}

/** What a failed write into the cache is reported as. */
export function cacheWriteError(path: string, error: unknown): IsonormError {
  const { code, message } = error as NodeJS.ErrnoException;
  const reason = code === "ENOSPC" ? "no space is left on the disk" : message;
  return new IsonormError(
    "ISO_OUT_NOT_WRITABLE",
    `The cache file ${path} could not be written: ${reason}`,
    "Free some space, or name another cache folder",
    { cause: error },
  );
}
