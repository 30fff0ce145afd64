import { type CheckReport, checkData, type DuplicateSide } from "../../data/index.js";
import { count, percent, table } from "../format.js";
import { Output } from "../output.js";
import { integer, type RawOptions, readDataSettings } from "../trainingOptions.js";

const longestList = 20;

/** `isonorm check`: what data holds, what is broken, and what would make its test figures lie. */
export async function check(data: string, options: RawOptions): Promise<void> {
  const output = new Output({ json: options.json === true });
  const { path, ...settings } = readDataSettings(data, options);
  const report = await checkData(path, {
    ...settings,
    seed: integer(options, "seed"),
    onProgress: (done, total) => output.progress(`reading data  ${count(done)} of ${count(total)}`),
  });
  const { input, classes, splits } = report;
  const examples = splits.reduce((sum, { size }) => sum + size, 0);
  const size =
    input.kind === "image"
      ? `images of ${input.width}x${input.height}, ${input.channels === 1 ? "grey" : "RGB"}`
      : `${count(input.numeric.length)} numeric and ${count(input.categorical.length)} categorical columns`;
  output.say(`${data}: ${count(examples)} examples, ${count(classes.length)} classes, ${size}`);
  const findings = [
    classLines(report),
    imageLines(report),
    columnLines(report),
    unreadableLines(report),
    duplicateLines(report),
  ];
  for (const lines of findings) {
    if (lines.length > 0) output.say();
    for (const line of lines) output.say(line);
  }
  if (report.warnings.length > 0) output.say();
  for (const message of report.warnings) {
    output.event({ event: "warning", message } as { event: string });
    output.warn(message);
  }
  output.event({ event: "done", data, examples, ...report } as { event: string });
}

function classLines({ splits, classes }: CheckReport): string[] {
  const total = (index: number): number => splits.reduce((sum, { perClass }) => sum + perClass[index]!, 0);
  const all = classes.map((name, index) => ({ name, index, total: total(index) }));
  // Of many classes the smallest ones are those to look at.
  const shown = all.length <= 2 * longestList ? all : all.toSorted((a, b) => a.total - b.total).slice(0, longestList);
  const rows = shown.map(({ name, index, total }) => [name, ...splits.map(({ perClass }) => perClass[index]!), total]);
  const sums = ["all classes", ...splits.map(({ size }) => size), splits.reduce((sum, { size }) => sum + size, 0)];
  const lines = table([["class", ...splits.map(({ name }) => name), "total"], ...rows, sums]);
  return shown.length < all.length
    ? [`the ${shown.length} smallest of ${count(all.length)} classes:`, ...lines]
    : lines;
}

function imageLines({ imageSizes, imageModes }: CheckReport): string[] {
  const list = (counted: CheckReport["imageSizes"]): string =>
    counted
      .slice(0, 8)
      .map(({ name, count: images }) => `${name} (${count(images)})`)
      .join(", ") + (counted.length > 8 ? `, and ${counted.length - 8} more` : "");
  return [
    ...(imageSizes.length > 0 ? [`sizes of the images: ${list(imageSizes)}`] : []),
    ...(imageModes.length > 0 ? [`formats: ${list(imageModes)}`] : []),
  ];
}

function columnLines({ columns, omittedColumns }: CheckReport): string[] {
  const notable = columns.filter(({ missing, constant, kind }) => missing > 0 || constant || kind === "categorical");
  const rows = notable
    .slice(0, longestList)
    .map(({ name, kind, missing, constant, min, max, categories }) => [
      name,
      kind,
      percent(missing),
      constant ? "constant" : kind === "categorical" ? `${categories} categories` : `${min} to ${max}`,
    ]);
  return [
    ...(rows.length > 0 ? table([["column", "kind", "missing", "values"], ...rows]) : []),
    ...(notable.length > longestList ? [`and ${notable.length - longestList} more columns of this kind`] : []),
    ...(omittedColumns.length > 0 ? [`left out: ${omittedColumns.join(", ")}`] : []),
  ];
}

function unreadableLines({ unreadable }: CheckReport): string[] {
  if (unreadable.length === 0) return [];
  const shown = unreadable.slice(0, longestList).map(({ file, reason }) => `  ${file}: ${reason}`);
  const more = unreadable.length > longestList ? [`  and ${unreadable.length - longestList} more`] : [];
  return [`unreadable: ${count(unreadable.length)}`, ...shown, ...more];
}

function duplicateLines({ duplicates: { within, leaks, conflicting, examples } }: CheckReport): string[] {
  const side = ({ split, source, label }: DuplicateSide): string => `${source} (${split}, ${label})`;
  return [
    `duplicates within a split: ${count(within)}`,
    `validation and test examples that an earlier split has too: ${count(leaks)}`,
    `duplicates with different labels: ${count(conflicting)}`,
    ...examples.map(({ first, second }) => `  ${side(first)} = ${side(second)}`),
  ];
}
