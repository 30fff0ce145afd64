import { mkdtempSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { noAugmentation } from "../augment.js";
import { type Batch, type BatchFeed, type BatchSettings, batchSource } from "../batches.js";
import type { Dataset, ImageDescription } from "../dataset.js";
import { joinDatasets } from "../join.js";
import { openData } from "../open/open.js";
import { arrays } from "../open/sources.js";
import { createPack, openPack } from "../pack/pack.js";
import { Random } from "../random.js";
import { selectDataset } from "../select.js";
import { type PreparedBatches, prepareAhead } from "./prepareAhead.js";

const folder = mkdtempSync(join(tmpdir(), "isonorm-prefetch-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const everything = {
  ...noAugmentation,
  flip: true,
  crop: 2,
  erase: 0.5,
  brightness: 0.3,
  contrast: 0.3,
  saturation: 0.3,
  mixup: 0.4,
};
const random = new Random("prefetch");
const pictures = Uint8Array.from({ length: 60 * 8 * 6 * 3 }, () => random.int(256));
const imageInput = { kind: "image", height: 8, width: 6, channels: 3 } as const;
const threeClasses = (size: number) => Array.from({ length: size }, (_, example) => example % 3);
const classes = ["a", "b", "c"];

const inMemory = () => arrays({ records: pictures, labels: threeClasses(60), classes, input: imageInput }).train;

/** Images that are read from a file of the cache. */
function onDisk(name: string, content: Uint8Array, input: ImageDescription): Dataset {
  const path = join(folder, name);
  const length = input.height * input.width * input.channels;
  const pack = createPack(path, "uint8", length);
  pack.append(content);
  const size = content.length / length;
  pack.finish(new Int32Array(size), {});
  const { store } = openPack(path, 0)!;
  return selectDataset({ input, classes, store, labels: Int32Array.from(threeClasses(size)), source: String });
}

/** Takes batches until one has come from the thread. */
async function untilAhead(feed: PreparedBatches): Promise<void> {
  for (const deadline = performance.now() + 60_000; performance.now() < deadline; ) {
    await feed.batch(0, 0);
    await feed.batch(0, 1);
    if (feed.counts.ahead > 0) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("the thread did not start");
}

async function take(feed: BatchFeed, numbers: readonly (readonly [number, number])[]): Promise<Batch[]> {
  const batches: Batch[] = [];
  for (const [epoch, index] of numbers) batches.push(await feed.batch(epoch, index));
  return batches;
}

/** Three epochs in order, as a training takes them. */
const inOrder = (perEpoch: number) =>
  [0, 1, 2].flatMap((epoch) => Array.from({ length: perEpoch }, (_, index) => [epoch, index] as const));

describe("batches that a thread prepares are those of the source", () => {
  const table = Float32Array.from({ length: 5 * 40 }, (_, i) => (i % 7 === 0 ? Number.NaN : random.normal()));
  const cases: [string, () => Promise<BatchSettings> | BatchSettings][] = [
    ["images in memory, augmented", () => ({ dataset: inMemory(), batchSize: 8, seed: 3, augmentation: everything })],
    [
      "images on disk, augmented",
      () => ({ dataset: onDisk("images", pictures, imageInput), batchSize: 7, seed: 1, augmentation: everything }),
    ],
    [
      "a table with missing values, mixed up, with class weights and smoothed labels",
      () => ({
        dataset: arrays({
          records: table,
          labels: threeClasses(40),
          classes,
          input: { kind: "table", numeric: ["u", "v", "w", "x", "y"], categorical: [] },
        }).train,
        batchSize: 6,
        seed: 2,
        augmentation: { ...noAugmentation, mixup: 0.3 },
        classWeights: { a: 2 },
        labelSmoothing: 0.1,
      }),
    ],
    ["a table's file", async () => ({ dataset: (await openData("examples/digits")).train, batchSize: 64, seed: 0 })],
  ];

  it.each(cases)("%s", async (_, open) => {
    const settings = await open();
    const source = batchSource(settings);
    const feed = prepareAhead(source, { worthwhile: 0 });
    try {
      await untilAhead(feed);
      const { ahead } = feed.counts;
      const numbers = inOrder(source.batchesPerEpoch);
      expect(await take(feed, numbers)).toEqual(await take(batchSource(settings), numbers));
      // The first one was not asked for ahead: what came before it was batch 1.
      expect(feed.counts.ahead - ahead).toBe(numbers.length - 1);
    } finally {
      await feed.close();
      settings.dataset.close();
    }
  });

  it("from the middle of an epoch on, and after a leap", async () => {
    const settings = { dataset: inMemory(), batchSize: 8, seed: 3, augmentation: everything };
    const feed = prepareAhead(batchSource(settings), { worthwhile: 0 });
    const numbers = [
      ...([
        [4, 2],
        [4, 3],
        [4, 4],
        [5, 0],
        [2, 1],
        [2, 2],
        [2, 2],
        [2, 3],
      ] as const),
    ];
    await untilAhead(feed);
    expect(await take(feed, numbers)).toEqual(await take(batchSource(settings), numbers));
    await feed.close();
  });

  it("which may be kept, and the records are seen by both without a copy", async () => {
    const settings = { dataset: onDisk("kept", pictures, imageInput), batchSize: 8, seed: 3 };
    const feed = prepareAhead(batchSource(settings), { worthwhile: 0 });
    await untilAhead(feed);
    const [first] = await take(feed, [[0, 0]]);
    const copy = structuredClone(first);
    await take(feed, inOrder(7));
    expect(first).toEqual(copy);
    await feed.close();
    const opened = await openData("examples/digits");
    const { store } = opened.train.content!;
    expect(store.kind === "memory" && store.data.buffer).toBeInstanceOf(SharedArrayBuffer);
  });
});

describe("a batch that cannot be prepared", () => {
  it("rejects with the error that preparing it here would throw, and not before it is taken", async () => {
    const big = { kind: "image", height: 64, width: 64, channels: 3 } as const;
    const dataset = onDisk("cut", new Uint8Array(60 * 64 * 64 * 3), big);
    const source = batchSource({ dataset, batchSize: 4, seed: 0 });
    const feed = prepareAhead(source, { worthwhile: 0, ahead: 2 });
    await untilAhead(feed);
    truncateSync(join(folder, "cut"), 64);
    // Batches that were asked for before the file was cut off may still come.
    await Promise.allSettled([feed.batch(0, 2), feed.batch(0, 3)]);
    const settled = await Promise.allSettled([feed.batch(0, 4)]);
    const here = await Promise.allSettled([Promise.resolve().then(() => source.batch(0, 4))]);
    expect(settled[0]).toMatchObject({ reason: { name: "IsonormError", code: "ISO_DATA_TRUNCATED", exitStatus: 2 } });
    expect((settled[0] as PromiseRejectedResult).reason.message).toBe(
      (here[0] as PromiseRejectedResult).reason.message,
    );
    await feed.close();
    dataset.close();
  });

  it("rejects where the thread has ended", async () => {
    const source = batchSource({ dataset: inMemory(), batchSize: 8, seed: 3 });
    const feed = prepareAhead(source, { worthwhile: 0 });
    await untilAhead(feed);
    await feed.close();
    // More than the thread may have prepared before its end.
    const rest = inOrder(source.batchesPerEpoch).slice(2);
    await expect(take(feed, rest)).rejects.toMatchObject({ code: "ISO_WORKER_LOST" });
  });
});

describe("no thread is started", () => {
  it("for batches that take less time than their hand-over", async () => {
    const source = batchSource({ dataset: inMemory(), batchSize: 2, seed: 3 });
    const feed = prepareAhead(source, { worthwhile: 1e6 });
    await take(feed, inOrder(source.batchesPerEpoch));
    expect(feed.counts).toEqual({ here: 3 * source.batchesPerEpoch, ahead: 0 });
    await feed.close();
  });

  it("for a dataset that another thread cannot open", async () => {
    const dataset = joinDatasets([inMemory(), inMemory()]);
    const source = batchSource({ dataset, batchSize: 8, seed: 0 });
    const feed = prepareAhead(source, { worthwhile: 0 });
    const numbers = inOrder(source.batchesPerEpoch);
    expect(await take(feed, numbers)).toEqual(await take(source, numbers));
    expect(feed.counts.ahead).toBe(0);
    await feed.close();
  });
});

it("starts one after the first batches where they take long", async () => {
  const source = batchSource({ dataset: inMemory(), batchSize: 8, seed: 3 });
  const feed = prepareAhead(source, { worthwhile: 1e-9 });
  await take(feed, inOrder(source.batchesPerEpoch).slice(0, 11));
  expect(feed.counts).toEqual({ here: 11, ahead: 0 });
  await untilAhead(feed);
  await feed.close();
});
