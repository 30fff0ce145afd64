import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type FileSystem, writeFileAtomically } from "./index.js";

let root: string;
let folder: string;
let path: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "isonorm-files-"));
});
afterAll(() => rmSync(root, { recursive: true }));
beforeEach(() => {
  folder = mkdtempSync(join(root, "case-"));
  path = join(folder, "checkpoint");
});

const failure = (code: string) => Object.assign(new Error(`${code}: injected`), { code });
const bytes = (text: string) => new TextEncoder().encode(text);

describe("writeFileAtomically", () => {
  it("writes chunks in order over whatever was there, and leaves nothing else in the folder", () => {
    writeFileAtomically(path, bytes("first, and longer than the second"));
    function* chunks() {
      yield bytes("sec");
      yield new Uint8Array(0);
      yield bytes("ond");
    }
    writeFileAtomically(path, chunks());
    expect(readFileSync(path, "utf8")).toBe("second");
    expect(readdirSync(folder)).toEqual(["checkpoint"]);
  });

  it("goes on where the system takes fewer bytes than it was given", () => {
    const write: FileSystem["write"] = (file, data, offset, length) =>
      writeSync(file, data, offset, Math.min(length, 3));
    writeFileAtomically(path, [bytes("one two "), bytes("three")], { write });
    expect(readFileSync(path, "utf8")).toBe("one two three");
  });

  it("syncs the file before it renames, and the folder afterwards", () => {
    const calls: string[] = [];
    writeFileAtomically(path, bytes("x"), {
      open: (name, flags) => {
        calls.push(`open ${name === folder ? "folder" : "file"} ${flags}`);
        return calls.length;
      },
      write: (file, _, __, length) => {
        calls.push(`write ${file}`);
        return length;
      },
      sync: (file) => calls.push(`sync ${file}`),
      close: (file) => calls.push(`close ${file}`),
      rename: (_, to) => calls.push(`rename to ${to === path ? "path" : to}`),
    });
    expect(calls).toEqual([
      "open file wx",
      "write 1",
      "sync 1",
      "close 1",
      "rename to path",
      "open folder r",
      "sync 6",
      "close 6",
    ]);
  });

  describe("with a file there already", () => {
    beforeEach(() => writeFileSync(path, "previous"));

    const untouched = () => {
      expect(readFileSync(path, "utf8")).toBe("previous");
      expect(readdirSync(folder)).toEqual(["checkpoint"]);
    };

    it("leaves it as it was when the disk is full in the middle of the write, and throws the system's error", () => {
      let room = 10;
      const write: FileSystem["write"] = (file, data, offset, length) => {
        if (room === 0) throw failure("ENOSPC");
        const count = writeSync(file, data, offset, Math.min(length, room));
        room -= count;
        return count;
      };
      expect(() => writeFileAtomically(path, [bytes("0123456"), bytes("789abcdef")], { write })).toThrow(
        expect.objectContaining({ code: "ENOSPC" }),
      );
      untouched();
    });

    it.each(["sync", "close", "rename"] as const)("leaves it as it was when %s fails", (call) => {
      const failing = {
        [call]: () => {
          throw failure("EIO");
        },
      };
      expect(() => writeFileAtomically(path, bytes("new"), failing)).toThrow(expect.objectContaining({ code: "EIO" }));
      untouched();
    });

    it("leaves it as it was when the contents cannot be made", () => {
      function* chunks() {
        yield bytes("half");
        throw new Error("no more");
      }
      expect(() => writeFileAtomically(path, chunks())).toThrow("no more");
      untouched();
    });

    it("ends when the system writes nothing and reports no error", () => {
      expect(() => writeFileAtomically(path, bytes("new"), { write: () => 0 })).toThrow(/writes no more bytes/);
      untouched();
    });
  });

  it("succeeds where folders cannot be synced, since the file is in place by then", () => {
    let syncs = 0;
    const sync = () => {
      if (++syncs === 2) throw failure("EINVAL");
    };
    writeFileAtomically(path, bytes("new"), { sync });
    expect(readFileSync(path, "utf8")).toBe("new");
  });

  it("throws the system's error where the folder is missing or the path is a folder", () => {
    expect(() => writeFileAtomically(join(folder, "none/x"), bytes("x"))).toThrow(
      expect.objectContaining({ code: "ENOENT" }),
    );
    mkdirSync(join(path, "inside"), { recursive: true });
    expect(() => writeFileAtomically(path, bytes("x"))).toThrow();
    expect(readdirSync(folder)).toEqual(["checkpoint"]);
  });

  it("survives a disk that is really full (needs the right to mount a tmpfs)", ({ skip }) => {
    const disk = join(folder, "disk");
    mkdirSync(disk);
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k", "isonorm-test", disk], { stdio: "ignore" });
    } catch {
      skip("no right to mount a tmpfs here; the injected ENOSPC above covers the logic");
    }
    try {
      const full = join(disk, "checkpoint");
      const previous = new Uint8Array(100_000).fill(1);
      writeFileAtomically(full, previous);
      expect(() => writeFileAtomically(full, new Uint8Array(200_000).fill(2))).toThrow(
        expect.objectContaining({ code: "ENOSPC" }),
      );
      expect(new Uint8Array(readFileSync(full))).toEqual(previous);
      expect(readdirSync(disk)).toEqual(["checkpoint"]);
    } finally {
      execFileSync("umount", [disk]);
    }
  });
});
