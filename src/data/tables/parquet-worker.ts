import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";

/** What a Parquet file's metadata says. */
export interface ParquetSummary {
  /** Names may be anything where the file is damaged. */
  readonly columns: readonly { readonly name: unknown; readonly nested: boolean }[];
  readonly totalRows: number;
  readonly groupRows: readonly number[];
  /** The row groups, as ranges of rows. */
  readonly ranges: readonly { readonly rowStart: number; readonly rowEnd: number }[];
}

export interface ParquetDecoder {
  readonly summary: ParquetSummary;
  /** The values of one column in one range. */
  readColumn(column: string, rowStart: number, rowEnd: number): Promise<readonly unknown[]>;
  close(): Promise<void>;
}

/** Megabytes that decoding one column of one row group may take, far more than a table for training needs. */
const memoryMegabytes = 1024;
/** Milliseconds that one answer may take: much, and more for each megabyte of the file. */
const answerMilliseconds = 10_000;
const answerMillisecondsPerMegabyte = 1000;

/**
 * The decoder runs in a thread of its own because a damaged file can lead hyparquet into runs of billions of values, without a check that would end them: a thread can be
 * stopped, and has a memory limit of its own. As source text, because the thread must start the same way from TypeScript sources and from the bundled package.
 */
const threadSource = `
const { parentPort, workerData } = require("node:worker_threads");
const { openSync, fstatSync, readSync } = require("node:fs");
const fd = openSync(workerData.path, "r");
const byteLength = fstatSync(fd).size;
const file = {
  byteLength,
  slice(start, end = byteLength) {
    if (!(start >= 0 && end >= start && end <= byteLength)) {
      throw new RangeError("bytes " + start + " to " + end + " lie outside the file of " + byteLength + " bytes");
    }
    const into = new Uint8Array(end - start);
    for (let done = 0; done < into.length; ) {
      const read = readSync(fd, into, done, into.length - done, start + done);
      if (read === 0) throw new RangeError("the file ended at byte " + (start + done));
      done += read;
    }
    return into.buffer;
  },
};
const answer = async (work) => {
  try {
    parentPort.postMessage({ value: await work() });
  } catch (error) {
    parentPort.postMessage({ failure: String((error && error.message) || error) });
  }
};
answer(async () => {
  const { parquetMetadataAsync, parquetSchema, parquetScan } = await import(workerData.hyparquet);
  const { compressors } = await import(workerData.compressors);
  const metadata = await parquetMetadataAsync(file);
  const scan = await parquetScan({ file, metadata, compressors, useOffsetIndex: false });
  parentPort.on("message", ({ column, rowStart, rowEnd }) =>
    answer(async () => Array.from(await scan.readColumn({ column, rowStart, rowEnd }))),
  );
  return {
    columns: parquetSchema(metadata).children.map(({ children, element }) => ({
      name: element.name,
      nested: children.length > 0 || element.repetition_type === "REPEATED",
    })),
    totalRows: Number(metadata.num_rows),
    groupRows: (metadata.row_groups || []).map((group) => Number(group.num_rows)),
    ranges: scan.ranges,
  };
});
`;

const { resolve } = createRequire(import.meta.url);

/**
 * Starts a decoder for the file.
 *
 * @param bytes - size of the file
 * @param patience - milliseconds that one answer may take
 * @throws Error, with the reason, where the metadata is damaged
 */
export async function startParquetDecoder(
  path: string,
  bytes: number,
  patience = answerMilliseconds + answerMillisecondsPerMegabyte * (bytes / 1e6),
): Promise<ParquetDecoder> {
  const url = (name: string): string => pathToFileURL(resolve(name)).href;
  const worker = new Worker(threadSource, {
    eval: true,
    execArgv: [],
    workerData: { path, hyparquet: url("hyparquet"), compressors: url("hyparquet-compressors") },
    resourceLimits: { maxOldGenerationSizeMb: memoryMegabytes },
  });
  // Answers are waited for with listeners of their own; an error between two of them shows in the next.
  worker.on("error", () => {});
  const answer = async (): Promise<unknown> => {
    try {
      return await nextAnswer(worker, patience);
    } catch (error) {
      await worker.terminate();
      throw error;
    }
  };
  const summary = (await answer()) as ParquetSummary;
  return {
    summary,
    async readColumn(column, rowStart, rowEnd) {
      worker.postMessage({ column, rowStart, rowEnd });
      return (await answer()) as unknown[];
    },
    async close() {
      await worker.terminate();
    },
  };
}

function nextAnswer(worker: Worker, patience: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const refuse = (reason: string | Error): void => {
      settle();
      reject(typeof reason === "string" ? new Error(reason) : reason);
    };
    const onMessage = ({ value, failure }: { value?: unknown; failure?: string }): void => {
      settle();
      if (failure === undefined) resolve(value);
      else reject(new Error(failure));
    };
    const onError = (error: NodeJS.ErrnoException): void =>
      refuse(
        error.code === "ERR_WORKER_OUT_OF_MEMORY" ? `decoding a column takes more than ${memoryMegabytes} MB` : error,
      );
    const onExit = (code: number): void => refuse(`the decoder ended with ${code}`);
    const timer = setTimeout(() => refuse(`decoding it takes longer than ${Math.round(patience / 1000)} s`), patience);
    const settle = (): void => {
      clearTimeout(timer);
      worker.off("message", onMessage).off("error", onError).off("exit", onExit);
    };
    worker.on("message", onMessage).on("error", onError).on("exit", onExit);
  });
}
