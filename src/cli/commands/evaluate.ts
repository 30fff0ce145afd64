import type { Dataset } from "../../data/index.js";
import { type Confusion, denseConfusion, type Evaluation } from "../../metrics/index.js";
import { Classifier, deviceNamed, openEvaluationData } from "../../run/index.js";
import { count, number, percent, table } from "../format.js";
import { Output } from "../output.js";
import { PredictionsFile } from "../predictionsFile.js";
import { integer, type RawOptions, readDataSettings } from "../trainingOptions.js";

/** More classes make a matrix that no terminal shows: then the most frequent confusions are listed. */
const largestMatrix = 15;
const longestClassTable = 40;
const shownConfusions = 20;

/** `isonorm evaluate` */
export async function evaluate(model: string, data: string, options: RawOptions): Promise<void> {
  const output = new Output({ json: options.json === true });
  const classifier = await Classifier.load(model, {
    threads: integer(options, "threads"),
    device: deviceNamed(options.device ?? "cpu"),
  });
  const { path: _, ...dataOptions } = readDataSettings(data, options);
  const { dataset, split, trainedOn, warnings } = await openEvaluationData(classifier, data, {
    ...dataOptions,
    split: options.split as "train" | "validation" | "test" | "all" | undefined,
    onProgress: (done, total) => output.progress(`reading data  ${count(done)} of ${count(total)}`),
  });
  const file = typeof options.out === "string" ? new PredictionsFile(options.out, classifier.classes) : undefined;
  try {
    for (const message of warnings) {
      output.event({ event: "warning", message } as { event: string });
      output.warn(message);
    }
    const evaluation = await classifier.evaluate(dataset, (batch) => {
      file?.add(dataset, batch);
      output.progress(`evaluating  ${count(batch.first + batch.count)} of ${count(dataset.size)}`);
    });
    file?.finish();
    const part = split === "all" ? "all examples" : `the ${split} split`;
    output.say(`${classifier.path} on ${part} of ${data}: ${count(evaluation.examples)} examples`);
    if (!trainedOn) output.say("not the data that it was trained on");
    show(output, evaluation, dataset.classes);
    if (file) output.say(`\npredictions: ${file.path}`);
    output.event(doneEvent(classifier, data, { split, trainedOn, dataset, evaluation, out: file?.path ?? null }));
  } catch (error) {
    file?.abandon();
    throw error;
  } finally {
    dataset.close();
    await classifier.release();
  }
}

function show(output: Output, evaluation: Evaluation, classes: readonly string[]): void {
  const { accuracyInterval, top5Accuracy, loss, macro, calibration, notFinite } = evaluation;
  output.say();
  output.say(
    `accuracy ${percent(evaluation.accuracy)}  (95% interval ${percent(accuracyInterval.low)} to ${percent(accuracyInterval.high)})`,
  );
  if (top5Accuracy !== null) output.say(`top-5 accuracy ${percent(top5Accuracy)}`);
  output.say(
    `loss ${loss === null ? "not finite" : number(loss)}  macro F1 ${number(macro.f1)}  expected calibration error ${number(calibration.ece)}`,
  );
  if (notFinite > 0) output.warn(`${notFinite} examples gave logits that are not finite`);
  output.say();
  for (const line of classTable(evaluation, classes)) output.say(line);
  output.say();
  for (const line of confusionLines(evaluation.confusion, classes)) output.say(line);
}

/** The classes in their order; of very many, those with the lowest F1. */
function classTable({ perClass }: Evaluation, classes: readonly string[]): string[] {
  const all = perClass.map((metrics, index) => ({ ...metrics, name: classes[index]! }));
  const present = all.filter(({ support, predicted }) => support + predicted > 0);
  const chosen =
    present.length <= longestClassTable ? present : present.toSorted((a, b) => a.f1 - b.f1).slice(0, longestClassTable);
  const rows = chosen.map(({ name, precision, recall, f1, support }) => [
    name,
    percent(precision),
    percent(recall),
    percent(f1),
    count(support),
  ]);
  const lines = table([["class", "precision", "recall", "F1", "examples"], ...rows]);
  return chosen.length < present.length
    ? [`the ${chosen.length} of ${present.length} classes with the lowest F1:`, ...lines]
    : lines;
}

function confusionLines(confusion: Confusion, classes: readonly string[]): string[] {
  if (classes.length <= largestMatrix) {
    const rows = denseConfusion(confusion).map((row, truth) => [classes[truth]!, ...row]);
    return [
      "confusion matrix (a row for each true class, a column for each predicted one):",
      ...table([["", ...classes], ...rows]),
    ];
  }
  const mistakes = confusion.cells.filter(([truth, predicted]) => truth !== predicted);
  if (mistakes.length === 0) return ["no confusions"];
  const top = mistakes.toSorted((a, b) => b[2] - a[2]).slice(0, shownConfusions);
  const rows = top.map(([truth, predicted, examples]) => [classes[truth]!, classes[predicted]!, examples]);
  return ["most frequent confusions:", ...table([["true class", "taken for", "examples"], ...rows])];
}

interface Result {
  readonly split: string;
  readonly trainedOn: boolean;
  readonly dataset: Dataset;
  readonly evaluation: Evaluation;
  readonly out: string | null;
}

/** Everything, with class names in place of indices. */
function doneEvent(classifier: Classifier, data: string, { split, trainedOn, dataset, evaluation, out }: Result) {
  const { classes } = dataset;
  const name = (index: number): string => classes[index]!;
  const { examples, correct, accuracy, accuracyInterval, top5Accuracy, loss, brier, notFinite } = evaluation;
  return {
    event: "done",
    model: classifier.path,
    data,
    split,
    trainedOn,
    examples,
    correct,
    accuracy,
    accuracyInterval,
    top5Accuracy,
    loss,
    macroF1: evaluation.macro.f1,
    weightedF1: evaluation.weighted.f1,
    ece: evaluation.calibration.ece,
    brier,
    notFinite,
    classes,
    perClass: evaluation.perClass.map((metrics, index) => ({ label: name(index), ...metrics })),
    confusion: evaluation.confusion.cells.map(([truth, predicted, examples]) => ({
      label: name(truth),
      predicted: name(predicted),
      examples,
    })),
    mistakes: evaluation.mistakes.map(({ example, truth, predicted, confidence }) => ({
      source: dataset.source(example),
      label: name(truth),
      predicted: name(predicted),
      probability: confidence,
    })),
    out,
  };
}
