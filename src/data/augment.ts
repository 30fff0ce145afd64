import { z } from "zod";
import type { ImageDescription, InputDescription } from "./dataset.js";
import type { Random } from "./random.js";

/**
 * How training records are varied. Every number drawn depends on (seed, epoch, example) alone. What is 0 or false draws nothing and costs nothing.
 */
export const augmentationSchema = z.strictObject({
  /** Mirrors left and right, for half of the examples. */
  flip: z.boolean().default(false),
  /** Moves the picture by up to so many pixels each way, as a random crop of the padded picture does. */
  crop: z.int().min(0).max(1024).default(0),
  /** What a moved picture leaves free: its own mirror image, or zeros. */
  cropFill: z.enum(["reflect", "zero"]).default("reflect"),
  /** Share of the examples in which a rectangle is replaced by noise: random erasing, Zhong et al., arXiv 1708.04896. */
  erase: z.number().min(0).max(1).default(0),
  /** Scales all pixels by a factor in [1 - brightness, 1 + brightness]. */
  brightness: z.number().min(0).max(1).default(0),
  /** Likewise scales each pixel's distance from the picture's mean grey. */
  contrast: z.number().min(0).max(1).default(0),
  /** Likewise scales each pixel's distance from its own grey; colour pictures only. */
  saturation: z.number().min(0).max(1).default(0),
  /** Blends pairs of examples by a factor drawn from Beta(mixup, mixup): mixup, Zhang et al., arXiv 1710.09412. Images and tables. */
  mixup: z.number().min(0).max(100).default(0),
});

export type AugmentationSettings = z.infer<typeof augmentationSchema>;

/** No augmentation. */
export const noAugmentation: AugmentationSettings = augmentationSchema.parse({});

/**
 * What suits most data of that kind: colour pictures are flipped and moved by an eighth of their short side (4 pixels of 32, as is usual for CIFAR);
 * grey pictures, which are often signs whose place and direction matter, and tables are left as they are.
 */
export function defaultAugmentation(input: InputDescription): AugmentationSettings {
  if (input.kind !== "image" || input.channels === 1) return noAugmentation;
  return { ...noAugmentation, flip: true, crop: Math.round(Math.min(input.height, input.width) / 8) };
}

/** Varies one record of `records` in place, which starts at element `offset` and is height x width x channels. */
export type RecordAugmenter = (records: Uint8Array, offset: number, random: Random) => void;

/** The augmentation of single records (all but mixup) for pictures of that size, or undefined where the settings ask for none. */
export function recordAugmenter(settings: AugmentationSettings, image: ImageDescription): RecordAugmenter | undefined {
  const { flip, crop, erase, brightness, contrast, saturation } = settings;
  const move = flip || crop > 0 ? mover(settings, image) : undefined;
  const colour =
    brightness > 0 || contrast > 0 || (saturation > 0 && image.channels === 3) ? jitter(settings, image) : undefined;
  const rectangle = erase > 0 ? eraser(erase, image) : undefined;
  if (!move && !colour && !rectangle) return undefined;
  return (records, offset, random) => {
    move?.(records, offset, random);
    colour?.(records, offset, random);
    rectangle?.(records, offset, random);
  };
}

/** Flip and crop in one pass: the picture is copied aside and gathered back by the row and by where each element lies in it (-1 for zeros). */
function mover(
  { flip, crop, cropFill }: AugmentationSettings,
  { height, width, channels }: ImageDescription,
): RecordAugmenter {
  const aside = new Uint8Array(height * width * channels);
  const rowLength = width * channels;
  const places = new Int32Array(rowLength);
  const source = (position: number, size: number): number => {
    if (position >= 0 && position < size) return position;
    return cropFill === "zero" ? -1 : reflect(position, size);
  };
  return (records, offset, random) => {
    const mirrored = flip && random.uint32() >= 0x80000000;
    const down = crop > 0 ? random.int(2 * crop + 1) - crop : 0;
    const right = crop > 0 ? random.int(2 * crop + 1) - crop : 0;
    if (!mirrored && down === 0 && right === 0) return;
    for (let x = 0; x < width; x++) {
      const from = source(x + right, width);
      const place = from < 0 ? -1 : (mirrored ? width - 1 - from : from) * channels;
      for (let channel = 0; channel < channels; channel++)
        places[x * channels + channel] = place < 0 ? -1 : place + channel;
    }
    aside.set(records.subarray(offset, offset + aside.length));
    let at = offset;
    for (let y = 0; y < height; y++) {
      const row = source(y + down, height) * rowLength;
      for (let i = 0; i < rowLength; i++) {
        const place = places[i]!;
        records[at++] = row < 0 || place < 0 ? 0 : aside[row + place]!;
      }
    }
  };
}

/** The position that a mirror at each edge shows: ... 2 1 | 0 1 2 ... n-1 | n-2 n-3 ...; the edge itself is not repeated. */
function reflect(position: number, size: number): number {
  if (size === 1) return 0;
  const period = 2 * (size - 1);
  const inPeriod = ((position % period) + period) % period;
  return inPeriod < size ? inPeriod : period - inPeriod;
}

/** Brightness, contrast and saturation, in this order, each a blend with black, the mean grey or the pixel's grey; rounded after each. */
function jitter({ brightness, contrast, saturation }: AugmentationSettings, image: ImageDescription): RecordAugmenter {
  const { height, width, channels } = image;
  const length = height * width * channels;
  const table = new Uint8ClampedArray(256);
  const factor = (strength: number, random: Random): number => 1 + strength * (2 * random.uniform() - 1);
  const translate = (records: Uint8Array, offset: number): void => {
    for (let i = offset; i < offset + length; i++) records[i] = table[records[i]!]!;
  };
  return (records, offset, random) => {
    if (brightness > 0) {
      const scale = factor(brightness, random);
      for (let value = 0; value < 256; value++) table[value] = value * scale;
      translate(records, offset);
    }
    if (contrast > 0) {
      const scale = factor(contrast, random);
      let sum = 0;
      for (let i = offset; i < offset + length; i += channels) sum += grey(records, i, channels);
      const mean = sum / (height * width);
      for (let value = 0; value < 256; value++) table[value] = mean + (value - mean) * scale;
      translate(records, offset);
    }
    if (saturation > 0 && channels === 3) {
      const scale = factor(saturation, random);
      for (let i = offset; i < offset + length; i += 3) {
        const centre = grey(records, i, 3);
        for (let channel = i; channel < i + 3; channel++) {
          records[channel] = Math.min(255, Math.max(0, Math.round(centre + (records[channel]! - centre) * scale)));
        }
      }
    }
  };
}

/** The luma of ITU-R BT.601. */
function grey(records: Uint8Array, at: number, channels: number): number {
  if (channels === 1) return records[at]!;
  return 0.299 * records[at]! + 0.587 * records[at + 1]! + 0.114 * records[at + 2]!;
}

/**
 * Random erasing with the paper's figures: area 2 to 40 % of the picture, aspect ratio 0.3 to 1 / 0.3 (drawn on a log scale, so
 * that neither direction is favoured), filled with noise.
 */
function eraser(probability: number, { height, width, channels }: ImageDescription): RecordAugmenter {
  return (records, offset, random) => {
    if (random.uniform() >= probability) return;
    const area = (0.02 + 0.38 * random.uniform()) * height * width;
    const aspect = Math.exp(Math.log(0.3) * (1 - 2 * random.uniform()));
    const tall = Math.min(height, Math.max(1, Math.round(Math.sqrt(area * aspect))));
    const wide = Math.min(width, Math.max(1, Math.round(Math.sqrt(area / aspect))));
    const top = random.int(height - tall + 1);
    const left = random.int(width - wide + 1);
    for (let y = top; y < top + tall; y++) {
      const start = offset + (y * width + left) * channels;
      for (let i = start; i < start + wide * channels; i++) records[i] = random.uint32() >>> 24;
    }
  };
}
