import { readFile } from "node:fs/promises";
import { IsonormError } from "../../errors.js";
import type { ImageDescription } from "../dataset.js";

/** Loaded on first use: sharp's native library takes a tenth of a second that tables need not wait for. */
const loadSharp = async () => (await import("sharp")).default;

/** Names that are taken for images; what is really in the file is decided by its content. */
const imageName = /\.(jpe?g|jfif|png|webp|gif|bmp|tiff?|avif)$/i;
const formats = new Set(["jpeg", "png", "webp", "gif", "tiff", "bmp", "heif"]);

export function isImageName(name: string): boolean {
  return imageName.test(name);
}

/** What an image's header says. */
export interface ImageHeader {
  /** Pixels, after the rotation that its EXIF orientation asks for. */
  readonly height: number;
  readonly width: number;
  /** Whether its colour space is one of grey values. */
  readonly grey: boolean;
  /** For people, for instance "jpeg srgb" or "png rgb16 with alpha". */
  readonly mode: string;
}

/** Reads the header of an image file's bytes. Throws an Error with sharp's reason where they are no image. */
export async function readHeader(bytes: Uint8Array): Promise<ImageHeader> {
  const sharp = await loadSharp();
  const { format, space, hasAlpha, autoOrient } = await sharp(bytes).metadata();
  if (!formats.has(format)) throw new Error(`its content is ${format}, which is not an image format that is taken`);
  return {
    height: autoOrient.height,
    width: autoOrient.width,
    grey: space === "b-w" || space === "grey16",
    mode: `${format} ${space}${hasAlpha ? " with alpha" : ""}`,
  };
}

/**
 * The pixels of an image file's bytes, height x width x channels: the first frame, turned as its EXIF orientation says, in 8-bit sRGB or grey, on white
 * where it is transparent (as pages and viewers show it), scaled to cover the size and cut to it around its centre. A file that ends early or whose
 * compressed data is damaged is refused, not filled up with grey. Throws an Error with sharp's reason.
 */
export async function decodePixels(
  bytes: Uint8Array,
  { height, width, channels }: ImageDescription,
): Promise<Uint8Array> {
  const sharp = await loadSharp();
  const { data, info } = await sharp(bytes, { failOn: "error" })
    .autoOrient()
    .flatten({ background: "#ffffff" })
    .resize(width, height, { fit: "cover", position: "centre" })
    .toColourspace(channels === 1 ? "b-w" : "srgb")
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== channels || data.length !== height * width * channels) {
    throw new Error(`it decodes to ${info.width}x${info.height} with ${info.channels} channels`);
  }
  return data;
}

/** sharp's reason in one line. */
export function imageFailure(error: unknown): string {
  const { message } = error as Error;
  return message.split("\n")[0]!.trim();
}

/**
 * The pixels of one image as training saw them, for prediction. [height * width * channels]
 *
 * @param image - a path, or the content of an image file
 * @throws ISO_DATA_MISSING for a path that leads nowhere, ISO_DATA_IMAGE_UNREADABLE for a file that is no whole image
 */
export async function decodeImage(image: string | Uint8Array, input: ImageDescription): Promise<Uint8Array> {
  const name = typeof image === "string" ? image : "the given image";
  let bytes: Uint8Array;
  try {
    bytes = typeof image === "string" ? await readFile(image) : image;
  } catch (error) {
    throw new IsonormError(
      "ISO_DATA_MISSING",
      `${name} cannot be read: ${imageFailure(error)}`,
      "Give the path of an image",
      { cause: error },
    );
  }
  try {
    await readHeader(bytes);
    return await decodePixels(bytes, input);
  } catch (error) {
    throw unreadableImage(name, imageFailure(error), error);
  }
}

export function unreadableImage(file: string, reason: string, cause?: unknown): IsonormError {
  return new IsonormError(
    "ISO_DATA_IMAGE_UNREADABLE",
    `The image ${file} cannot be read: ${reason}`,
    "Replace or remove the file; without strict, unreadable images of a data set are skipped",
    { cause },
  );
}
