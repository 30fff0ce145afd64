import { Readable } from "node:stream";
import { CsvError, parse } from "csv-parse";
import { IsonormError } from "../../errors.js";
import { contentOf } from "../files.js";
import { cellNumber, isMissing } from "./cell.js";
import type { ReaderOptions, TableReader } from "./reader.js";

/** Bytes looked at to find the delimiter. */
const sniffedBytes = 2 ** 16;
/** Characters of one row: far above any real row, far below what an unclosed quote could gather. */
const longestRow = 2 ** 24;
const rowsAtOnce = 1024;

/**
 * Opens a CSV file, gzipped or not: UTF-8, with the delimiter (comma, semicolon or tab) that its first lines agree on. Its first row is a header unless
 * all its cells are numbers, or as `noHeader` says.
 *
 * @throws ISO_DATA_EMPTY, ISO_DATA_FORMAT, ISO_DATA_TRUNCATED
 */
export async function openCsv(path: string, { noHeader }: ReaderOptions): Promise<TableReader> {
  const delimiter = sniffDelimiter(await sniff(path));
  const warnings: string[] = [];
  let first: string[] | undefined;
  for await (const rows of parsed(path, delimiter)) {
    first = rows.find((row) => row.length > 0);
    if (first) break;
  }
  if (!first)
    throw new IsonormError("ISO_DATA_EMPTY", `${path} has no rows`, "Give a table with a row for each example");
  const numbers = first.filter((cell) => !isMissing(cell) && !Number.isNaN(cellNumber(cell))).length;
  const header = noHeader === undefined ? numbers < first.length : !noHeader;
  if (header && noHeader === undefined && numbers > first.length / 2) {
    warnings.push(
      `The first row of ${path} is taken for the header, although ${numbers} of its ${first.length} cells are numbers; if it is data, say so with noHeader (--no-header).`,
    );
  }
  const columns = first.map((name, i) => (header && name !== "" ? name : `c${i}`));
  const repeated = columns.find((name, i) => columns.indexOf(name) !== i);
  if (repeated !== undefined) {
    throw new IsonormError(
      "ISO_DATA_FORMAT",
      `Two columns of ${path} are called ${JSON.stringify(repeated)}`,
      header && noHeader === undefined
        ? "Rename one of them, or pass noHeader (--no-header) if the first row is data"
        : "Rename one of them",
    );
  }
  return {
    columns,
    header,
    firstRow: header ? 2 : 1,
    warnings,
    async *rows(onRead) {
      let skip = header;
      for await (const rows of parsed(path, delimiter, onRead)) {
        if (!skip) {
          yield rows;
          continue;
        }
        const at = rows.findIndex((row) => row.length > 0);
        if (at < 0) continue;
        skip = false;
        yield rows.slice(at + 1);
      }
    },
  };
}

async function sniff(path: string): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of contentOf(path)) {
    chunks.push(chunk);
    length += chunk.length;
    if (length >= sniffedBytes) break;
  }
  const head = Buffer.concat(chunks).subarray(0, sniffedBytes);
  if (head.includes(0)) {
    const utf16 = head.length >= 2 && (head.readUInt16BE(0) === 0xfffe || head.readUInt16BE(0) === 0xfeff);
    throw new IsonormError(
      "ISO_DATA_FORMAT",
      `${path} is ${utf16 ? "UTF-16 text" : "no text: it holds zero bytes"}`,
      "Give a CSV file in UTF-8",
    );
  }
  return head.toString("utf8");
}

/** The delimiter that occurs on most lines the same number of times, outside of quotes; a comma where none does. */
export function sniffDelimiter(head: string): string {
  const unquoted = head.replace(/"[^"]*"/g, "");
  const lines = unquoted.split(/\r\n|\n|\r/).filter((line) => line.trim() !== "");
  // The last line may be cut off.
  const whole = lines.length > 1 ? lines.slice(0, 50).slice(0, lines.length - 1) : lines;
  let best = { delimiter: ",", score: 0 };
  for (const delimiter of [",", ";", "\t"]) {
    const counts = whole.map((line) => line.split(delimiter).length - 1);
    const agreeing = counts[0] ? counts.filter((count) => count === counts[0]).length : 0;
    if (agreeing > best.score) best = { delimiter, score: agreeing };
  }
  return best.delimiter;
}

async function* parsed(path: string, delimiter: string, onRead?: (bytes: number) => void): AsyncGenerator<string[][]> {
  const source = Readable.from(contentOf(path, onRead), { objectMode: false, highWaterMark: 2 ** 18 });
  const parser = parse({
    delimiter,
    bom: true,
    relax_column_count: true,
    relax_quotes: true,
    trim: true,
    max_record_size: longestRow,
  });
  source.on("error", (error) => parser.destroy(error));
  let rows: string[][] = [];
  try {
    for await (const row of source.pipe(parser) as AsyncIterable<string[]>) {
      rows.push(row.length === 1 && row[0] === "" ? [] : trimQuoted(row));
      if (rows.length < rowsAtOnce) continue;
      yield rows;
      rows = [];
    }
    if (rows.length > 0) yield rows;
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw new IsonormError(
      "ISO_DATA_FORMAT",
      `${path} is no well-formed CSV: ${error.message}`,
      "Correct the file, or write it again",
      {
        cause: error,
      },
    );
  } finally {
    source.destroy();
    parser.destroy();
  }
}

/** The parser trims what stands outside of quotes; spaces inside of them are no part of a number or a name either. In place. */
function trimQuoted(row: string[]): string[] {
  for (let i = 0; i < row.length; i++) {
    const cell = row[i]!;
    if (cell.charCodeAt(0) <= 32 || cell.charCodeAt(cell.length - 1) <= 32) row[i] = cell.trim();
  }
  return row;
}
