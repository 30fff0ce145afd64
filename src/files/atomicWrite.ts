import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** The system calls that `writeFileAtomically` makes, so that a test can let one of them fail. */
export interface FileSystem {
  readonly open: (path: string, flags: string) => number;
  /** Returns how many bytes it wrote, which may be fewer than it got. */
  readonly write: (file: number, bytes: Uint8Array, offset: number, length: number) => number;
  readonly sync: (file: number) => void;
  readonly close: (file: number) => void;
  readonly rename: (from: string, to: string) => void;
  readonly remove: (path: string) => void;
}

const nodeFileSystem: FileSystem = {
  open: openSync,
  write: writeSync,
  sync: fsyncSync,
  close: closeSync,
  rename: renameSync,
  remove: (path) => rmSync(path, { force: true }),
};

/** One write call takes at most 2 GiB - 1; smaller pieces cost nothing. */
const largestWrite = 64 * 2 ** 20;

/**
 * Writes a file so that at any moment, a crash or power cut included, the path holds either the previous contents or the new ones, whole.
 * The bytes go to a temporary file in the same folder, `.<name>.<random>.partial`, which is synced and then renamed; a process killed
 * in between leaves that file behind.
 *
 * @param chunks - the contents in order, consumed once
 * @throws the system's own error (ENOSPC, EACCES, ...), the temporary file removed and the previous file as it was
 */
export function writeFileAtomically(
  path: string,
  chunks: Uint8Array | Iterable<Uint8Array>,
  fileSystem: Partial<FileSystem> = {},
): void {
  const fs = { ...nodeFileSystem, ...fileSystem };
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.${randomBytes(6).toString("hex")}.partial`);
  const file = fs.open(temporary, "wx");
  let isOpen = true;
  try {
    for (const chunk of chunks instanceof Uint8Array ? [chunks] : chunks) writeAll(fs, file, chunk, path);
    fs.sync(file);
    isOpen = false;
    fs.close(file);
    fs.rename(temporary, path);
  } catch (error) {
    if (isOpen) ignoreFailure(() => fs.close(file));
    ignoreFailure(() => fs.remove(temporary));
    throw error;
  }
  syncFolder(fs, folder);
}

function writeAll(fs: FileSystem, file: number, bytes: Uint8Array, path: string): void {
  let written = 0;
  while (written < bytes.length) {
    const count = fs.write(file, bytes, written, Math.min(bytes.length - written, largestWrite));
    if (count <= 0) throw new Error(`the system writes no more bytes to ${path} after ${written}`);
    written += count;
  }
}

/**
 * Makes the rename itself durable. The new file is in place by now, and some systems cannot open or sync a folder (Windows, some network
 * drives), so a failure here is none of the write.
 */
function syncFolder(fs: FileSystem, folder: string): void {
  ignoreFailure(() => {
    const handle = fs.open(folder, "r");
    try {
      fs.sync(handle);
    } finally {
      fs.close(handle);
    }
  });
}

/** For clearing up after an error that matters more than those of the clearing up. */
function ignoreFailure(action: () => void): void {
  try {
    action();
  } catch {}
}
