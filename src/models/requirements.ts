import { IsonormError } from "../errors.js";

/** Throws ISO_MODEL_UNSUITABLE unless `shape` is [channels, height, width] with both sides at least `smallest` pixels. */
export function requireImage(model: string, shape: readonly number[], smallest: number): void {
  if (shape.length !== 3)
    throw new IsonormError(
      "ISO_MODEL_UNSUITABLE",
      `${model} takes images, but an example of this data has shape [${shape}]`,
      "Use --model mlp for tables",
    );
  if (shape[1]! < smallest || shape[2]! < smallest)
    throw new IsonormError(
      "ISO_MODEL_UNSUITABLE",
      `${model} needs images of at least ${smallest}x${smallest} pixels, but these have ${shape[1]}x${shape[2]}`,
      "Use --model mlp or --model convnet, or a larger --image-size",
    );
}

/** Throws ISO_ARGUMENT unless the option is a whole number of at least 1. */
export function requireCount(model: string, option: string, value: number): void {
  if (!(Number.isInteger(value) && value >= 1)) throw wrong(model, option, value, "a whole number of at least 1");
}

/** Throws ISO_ARGUMENT unless the option multiplies the channels of a network by more than 0 and at most 16. */
export function requireMultiplier(model: string, option: string, value: number): void {
  if (!(value > 0 && value <= 16))
    throw wrong(model, option, value, "a multiplier above 0 and at most 16, such as 0.5 or 1");
}

/** Throws ISO_ARGUMENT unless the option is a probability below 1. */
export function requireProbability(model: string, option: string, value: number): void {
  if (!(value >= 0 && value < 1)) throw wrong(model, option, value, "a probability from 0 to below 1");
}

function wrong(model: string, option: string, value: number, wanted: string): IsonormError {
  return new IsonormError("ISO_ARGUMENT", `${option} of ${model} is ${value}`, `Give ${wanted}`);
}
