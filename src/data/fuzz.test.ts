import { gzipSync } from "node:zlib";
import { parquetWriteBuffer } from "hyparquet-writer";
import { describe, expect, it } from "vitest";
import { IsonormError } from "../errors.js";
import type { ImageDescription } from "./dataset.js";
import { decodeImage } from "./images/decode.js";
import { openData } from "./open/open.js";
import { Random } from "./random.js";
import { startParquetDecoder } from "./tables/parquet-worker.js";
import { idxPair } from "./testing/idx.js";
import { orange, plain } from "./testing/images.js";
import { temporaryFolder } from "./testing/temporary.js";

const temporary = temporaryFolder();
const { cacheDir } = temporary;

/** The content cut off at `count` places, and as often with a few bytes changed. */
function* damaged(content: Uint8Array, count: number): Generator<Uint8Array> {
  const random = new Random("damage", content.length);
  for (let i = 0; i < count; i++) {
    yield content.slice(0, Math.floor((i * content.length) / count));
    const changed = content.slice();
    for (let n = random.int(3); n >= 0; n--) changed[random.int(changed.length)] = random.int(256);
    yield changed;
  }
}

/** Opens every damaged form: it may succeed (not every byte matters) or fail with a coded error, and must do so soon. */
async function survives(forms: Iterable<Uint8Array>, open: (form: Uint8Array) => Promise<unknown>): Promise<number> {
  let refused = 0;
  for (const form of forms) {
    const started = performance.now();
    try {
      await open(form);
    } catch (error) {
      if (!(error instanceof IsonormError) || error.code === "ISO_INTERNAL") throw error;
      refused++;
    }
    expect(performance.now() - started).toBeLessThan(15_000);
  }
  return refused;
}

const csv = `x,kind,label\n${Array.from({ length: 60 }, (_, i) => `${Math.sin(i)},"${"uvw"[i % 3]}",${i % 2}`).join("\n")}\n`;

describe("damaged data", () => {
  it("as CSV, gzipped or not, only ever gives coded errors", async () => {
    const open = (name: string) => (form: Uint8Array) => openData(temporary.write(name, form), { cacheDir });
    expect(await survives(damaged(Buffer.from(csv), 60), open("data.csv"))).toBeGreaterThan(5);
    expect(await survives(damaged(gzipSync(csv), 60), open("data.csv.gz"))).toBeGreaterThan(60);
  });

  it("as IDX, gzipped or not, only ever gives coded errors", async () => {
    for (const packed of [false, true]) {
      const files = idxPair(40, "train", packed);
      for (const [name, content] of Object.entries(files)) {
        const refused = await survives(damaged(content, 40), (form) => {
          for (const [other, whole] of Object.entries(files))
            temporary.write(`idx/${other}`, other === name ? form : whole);
          return openData(temporary.path("idx"), { cacheDir });
        });
        expect(refused).toBeGreaterThanOrEqual(40);
      }
      temporary.write("idx/placeholder", "");
    }
  });

  const parquet = new Uint8Array(
    parquetWriteBuffer({
      columnData: [
        { name: "x", data: Array.from({ length: 300 }, (_, i) => i / 7), type: "DOUBLE" },
        { name: "kind", data: Array.from({ length: 300 }, (_, i) => "uvw"[i % 3]!), type: "STRING" },
        { name: "label", data: Array.from({ length: 300 }, (_, i) => i % 2), type: "INT32" },
      ],
    }),
  );

  it("as Parquet only ever gives coded errors", async () => {
    const refused = await survives(damaged(parquet, 12), (form) =>
      openData(temporary.write("data.parquet", form), { cacheDir }),
    );
    expect(refused).toBeGreaterThanOrEqual(12);
  });

  it("as Parquet whose run lengths have no end is given up", async () => {
    const endless = parquet.slice();
    endless[15] = 200;
    const path = temporary.write("data.parquet", endless);
    const started = performance.now();
    const decoder = await startParquetDecoder(path, endless.length, 1500);
    await expect(decoder.readColumn("x", 0, 300)).rejects.toThrow();
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  it("as images only ever gives coded errors", async () => {
    const input: ImageDescription = { kind: "image", height: 8, width: 8, channels: 3 };
    for (const format of ["png", "jpeg", "webp", "gif", "tiff"] as const) {
      const content = await plain(16, 16, orange).toFormat(format).toBuffer();
      expect(await survives(damaged(content, 25), (form) => decodeImage(form, input))).toBeGreaterThan(10);
    }
  });
});
