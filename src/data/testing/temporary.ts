import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeEach, expect } from "vitest";

/** A folder that is empty before each test and gone after the last; the cache of the tests lies in it too. */
export function temporaryFolder() {
  const root = mkdtempSync(join(tmpdir(), "isonorm-data-"));
  beforeEach(() => {
    for (const name of readdirSync(root)) rmSync(join(root, name), { recursive: true });
  });
  afterAll(() => rmSync(root, { recursive: true }));
  return {
    root,
    cacheDir: join(root, "cache"),
    path: (...parts: string[]): string => join(root, ...parts),
    /** Writes a file, its folders too; returns its path. */
    write(path: string, content: string | Uint8Array): string {
      const whole = join(root, path);
      mkdirSync(dirname(whole), { recursive: true });
      writeFileSync(whole, content);
      return whole;
    },
  };
}

/** Expects the promise to fail with that code and a message that has all those words. */
export async function expectFailure(promise: Promise<unknown>, code: string, ...words: string[]): Promise<void> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toMatchObject({ code });
  for (const word of words) expect((error as Error).message).toContain(word);
}
