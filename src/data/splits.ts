import { IsonormError } from "../errors.js";
import { Random } from "./random.js";

/** Which records of the training part go to which split; each list ascends. */
export interface Partition {
  readonly train: Uint32Array;
  readonly validation: Uint32Array;
  readonly test: Uint32Array;
}

export interface PartitionFractions {
  /** Share of what the test split leaves, 0 < validation < 1; undefined where a validation split is given. */
  readonly validation: number | undefined;
  /** Share of all, 0 <= test < 1. */
  readonly test: number;
}

/**
 * Class names in their natural order: by value where all are numbers ("2" before "10"), by code unit otherwise, so that the order depends on no
 * locale.
 */
export function sortClassNames(names: Iterable<string>): string[] {
  const sorted = [...new Set(names)].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const numeric = sorted.every((name) => name.trim() !== "" && Number.isFinite(Number(name)));
  return numeric ? sorted.sort((a, b) => Number(a) - Number(b)) : sorted;
}

/** Examples of each class. labels: [size], each below `classes`; returns [classes]. */
export function countClasses(labels: ArrayLike<number>, classes: number): Uint32Array {
  const counts = new Uint32Array(classes);
  for (let i = 0; i < labels.length; i++) counts[labels[i]!]!++;
  return counts;
}

/**
 * Splits the examples class by class (stratified), each class shuffled under its own seed, so that the outcome depends on the order of the examples
 * within their class and on nothing else. Of n examples of a class, test gets round(test * n), validation round(validation * rest) but at least one, and
 * at least one stays for training.
 *
 * @param labels - class index of each example; [size]
 * @throws ISO_DATA_ONE_CLASS with fewer than two classes, ISO_DATA_CLASS_TOO_SMALL for a class that cannot fill its splits
 */
export function stratify(
  labels: ArrayLike<number>,
  classes: readonly string[],
  fractions: PartitionFractions,
  seed: number,
): Partition {
  requireTwoClasses(classes);
  const counts = countClasses(labels, classes.length);
  const split = new Uint8Array(labels.length);
  const members = classes.map((_, index) => new Uint32Array(counts[index]!));
  const filled = new Uint32Array(classes.length);
  for (let example = 0; example < labels.length; example++) {
    const label = labels[example]!;
    members[label]![filled[label]!++] = example;
  }
  classes.forEach((name, index) => {
    const order = new Random(seed, "split", name).shuffle(members[index]!);
    const { test, validation } = shares(order.length, fractions, name);
    for (let i = 0; i < test + validation; i++) split[order[i]!] = i < test ? 2 : 1;
  });
  const list = (wanted: number): Uint32Array => {
    const examples = new Uint32Array(split.reduce((sum, found) => sum + (found === wanted ? 1 : 0), 0));
    let next = 0;
    for (let example = 0; example < split.length; example++) if (split[example] === wanted) examples[next++] = example;
    return examples;
  };
  return { train: list(0), validation: list(1), test: list(2) };
}

/** @throws ISO_DATA_ONE_CLASS */
export function requireTwoClasses(classes: readonly string[]): void {
  if (classes.length >= 2) return;
  throw new IsonormError(
    "ISO_DATA_ONE_CLASS",
    `All examples are of one class, ${JSON.stringify(classes[0] ?? "")}`,
    "Give data with at least two classes",
  );
}

function shares(count: number, fractions: PartitionFractions, name: string): { test: number; validation: number } {
  const validate = fractions.validation !== undefined;
  const needed = validate ? 2 : 1;
  if (count < needed) {
    throw new IsonormError(
      "ISO_DATA_CLASS_TOO_SMALL",
      `Class ${JSON.stringify(name)} has ${count === 1 ? "one example" : "no example"}, and training and validation need one each`,
      "Add examples of that class, or take the class out of the data",
    );
  }
  const test = Math.min(Math.round(fractions.test * count), count - needed);
  const rest = count - test;
  const validation = validate ? Math.min(Math.max(Math.round(fractions.validation! * rest), 1), rest - 1) : 0;
  return { test, validation };
}
