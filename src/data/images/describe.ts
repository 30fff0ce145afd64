import type { ImageDescription } from "../dataset.js";
import type { ImageHeader } from "./decode.js";

/** What the user asked for; the rest is decided from the images. */
export interface WantedImages {
  readonly imageSize?: { readonly height: number; readonly width: number };
  readonly channels?: 1 | 3;
}

const sides = [32, 64, 96, 128, 224] as const;
const largestSide = sides[sides.length - 1]!;

/**
 * The record that suits the images: their common size where they share one whose short side is at most 224; otherwise a square with the largest of 32, 64, 96, 128, 224
 * that the median short side reaches (32 where it reaches none). Grey where all headers say so; a caller that finds no colour in RGB images may still turn them to grey.
 */
export function describeImages(
  headers: readonly ImageHeader[],
  { imageSize, channels }: WantedImages,
): { input: ImageDescription; warning: string | undefined } {
  const mode = channels ?? (headers.every(({ grey }) => grey) ? 1 : 3);
  const of = (height: number, width: number): ImageDescription => ({ kind: "image", height, width, channels: mode });
  if (imageSize) return { input: of(imageSize.height, imageSize.width), warning: undefined };
  const [first] = headers;
  if (!first) return { input: of(32, 32), warning: undefined };
  const shared = headers.every(({ height, width }) => height === first.height && width === first.width);
  if (shared && Math.min(first.height, first.width) <= largestSide)
    return { input: of(first.height, first.width), warning: undefined };

  const shorts = headers.map(({ height, width }) => Math.min(height, width)).sort((a, b) => a - b);
  const median = shorts[shorts.length >> 1]!;
  const side = sides.findLast((candidate) => candidate <= median) ?? sides[0];
  const found = shared
    ? `All images are ${first.width}x${first.height}`
    : `The images differ in size (short sides ${shorts[0]} to ${shorts[shorts.length - 1]}, median ${median})`;
  return {
    input: of(side, side),
    warning: `${found}: all are scaled to ${side}x${side}; give an image size for another.`,
  };
}
