import { IsonormError } from "../errors.js";
import type { Dataset } from "./dataset.js";
import { countClasses } from "./splits.js";

/** "auto" weighs a class by the inverse of its frequency; a map gives the weights by class name, 1 for a class it does not name. */
export type ClassWeights = "none" | "auto" | Readonly<Record<string, number>>;

/**
 * The weight of each class, scaled so that the mean over the dataset's examples is 1: weights then change what the loss attends to, and not the size of the
 * gradients and with it the effective learning rate. [classes]
 *
 * @throws ISO_ARGUMENT for a class that does not exist and a weight that is not a positive number
 */
export function classWeightVector(weights: ClassWeights, { classes, labels, size }: Dataset): Float64Array {
  const counts = countClasses(labels, classes.length);
  if (weights === "none") return new Float64Array(classes.length).fill(1);
  if (weights === "auto") {
    const present = counts.filter((count) => count > 0).length;
    return Float64Array.from(counts, (count) => (count > 0 ? size / (present * count) : 0));
  }
  for (const [name, weight] of Object.entries(weights)) {
    if (!classes.includes(name)) {
      throw new IsonormError(
        "ISO_ARGUMENT",
        `Class weights name ${JSON.stringify(name)}, which is no class of the data`,
        `Name one of ${classes.slice(0, 10).join(", ")}${classes.length > 10 ? ", ..." : ""}`,
      );
    }
    if (!(Number.isFinite(weight) && weight > 0)) {
      throw new IsonormError(
        "ISO_ARGUMENT",
        `The weight of class ${JSON.stringify(name)} is ${weight}`,
        "Give a number above 0",
      );
    }
  }
  const raw = classes.map((name) => (Object.hasOwn(weights, name) ? weights[name]! : 1));
  const mean = raw.reduce((sum, weight, index) => sum + weight * counts[index]!, 0) / Math.max(size, 1);
  return Float64Array.from(raw, (weight) => weight / mean);
}

/**
 * The rows that stand for each label in a batch's targets: weight * ((1 - smoothing) * onehot + smoothing / classes) (label smoothing: Szegedy et al.,
 * arXiv 1512.00567, section 7). The loss of a batch is the mean over its examples of -sum_k target_k * log p_k. [classes, classes]
 */
export function targetRows(weights: Float64Array, smoothing: number): Float32Array {
  const classes = weights.length;
  const rows = new Float32Array(classes * classes);
  weights.forEach((weight, label) => {
    rows.fill((weight * smoothing) / classes, label * classes, (label + 1) * classes);
    rows[label * classes + label] = weight * (1 - smoothing + smoothing / classes);
  });
  return rows;
}
