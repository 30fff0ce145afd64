import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { decodeSafetensors } from "../../src/safetensors/index.js";
import { digits, doneOf, isonorm } from "./isonorm.js";

const mount = (...args: string[]) => execFileSync("mount", args, { stdio: "pipe" });

/** A disk of that size; undefined where this process may not mount one. */
function smallDisk(kibibytes: number): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), "isonorm-disk-"));
  try {
    mount("-t", "tmpfs", "-o", `size=${kibibytes}k`, "tmpfs", folder);
    return folder;
  } catch {
    rmSync(folder, { recursive: true, force: true });
    return undefined;
  }
}

test("a disk that fills up while a checkpoint is written leaves the previous one intact, and the run can go on with more room", async ({
  skip,
}) => {
  // The state is 26,368 weights, their momentum and some statistics, 0.23 MB: one checkpoint fits, a second beside it does not.
  const disk = smallDisk(320);
  if (disk === undefined) return skip("only root can mount the small disk that this test fills");
  try {
    const out = join(disk, "run");
    const full = await isonorm("train", digits, "--epochs", "3", "--keep", "last", "--threads", "1", "--out", out);
    expect(full.status).toBe(1);
    expect(full.stderr).toMatch(/error ISO_CHECKPOINT_WRITE: .*checkpoint\.safetensors.*ENOSPC.*untouched.*--resume/);
    const { tensors, metadata } = decodeSafetensors(readFileSync(join(out, "checkpoint.safetensors")));
    expect(tensors.size).toBeGreaterThan(0);
    expect(JSON.parse(metadata.isonorm!)).toMatchObject({ step: 20 });
    expect(readdirSync(out).filter((name) => name.endsWith(".partial"))).toEqual([]);

    mount("-o", "remount,size=20m", disk);
    doneOf(await isonorm("train", "--resume", out, "--json"));
  } finally {
    execFileSync("umount", [disk]);
    rmSync(disk, { recursive: true, force: true });
  }
});
