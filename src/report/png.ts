import { deflateSync } from "node:zlib";
import type { ReportedImage } from "./trainingReport.js";

/** A picture as a `data:` address, PNG. */
export function pngDataUri(image: ReportedImage): string {
  return `data:image/png;base64,${encodePng(image).toString("base64")}`;
}

/**
 * Encodes 8-bit grey or RGB as PNG (ISO/IEC 15948): signature, IHDR, one IDAT, IEND. Every row takes the Paeth filter, which predicts a byte
 * from its left, upper and upper-left neighbours; good for photographs, and no loss for the small drawings.
 */
export function encodePng({ width, height, channels, pixels }: ReportedImage): Buffer {
  const stride = width * channels;
  const filtered = Buffer.alloc(height * (stride + 1));
  for (let y = 0; y < height; y++) {
    filtered[y * (stride + 1)] = 4;
    for (let i = 0; i < stride; i++) {
      const left = i >= channels ? pixels[y * stride + i - channels]! : 0;
      const up = y > 0 ? pixels[(y - 1) * stride + i]! : 0;
      const upLeft = i >= channels && y > 0 ? pixels[(y - 1) * stride + i - channels]! : 0;
      filtered[y * (stride + 1) + 1 + i] = pixels[y * stride + i]! - paeth(left, up, upLeft);
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 8; // bits a sample
  header[9] = channels === 3 ? 2 : 0; // RGB or grey
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(filtered, { level: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** The neighbour nearest to left + up - upLeft; ties go in that order. */
function paeth(left: number, up: number, upLeft: number): number {
  const estimate = left + up - upLeft;
  const [toLeft, toUp, toUpLeft] = [Math.abs(estimate - left), Math.abs(estimate - up), Math.abs(estimate - upLeft)];
  if (toLeft <= toUp && toLeft <= toUpLeft) return left;
  return toUp <= toUpLeft ? up : upLeft;
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  body.copy(framed, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}

/** CRC-32 of ISO 3309 (PNG annex D): reflected polynomial 0xedb88320. zlib.crc32 needs a newer Node. */
function crc32(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}

/** Shrinks a picture to a longest side by averaging the pixels that fall into each new one; smaller ones stay as they are. */
export function thumbnail(image: ReportedImage, longestSide: number): ReportedImage {
  const scale = longestSide / Math.max(image.width, image.height);
  if (scale >= 1) return image;
  const width = Math.max(1, Math.round(image.width * scale));
  const height = Math.max(1, Math.round(image.height * scale));
  const pixels = new Uint8Array(width * height * image.channels);
  for (let y = 0; y < height; y++) {
    const [top, bottom] = range(y, height, image.height);
    for (let x = 0; x < width; x++) {
      const [left, right] = range(x, width, image.width);
      for (let channel = 0; channel < image.channels; channel++) {
        let sum = 0;
        for (let v = top; v < bottom; v++) {
          for (let u = left; u < right; u++) sum += image.pixels[(v * image.width + u) * image.channels + channel]!;
        }
        pixels[(y * width + x) * image.channels + channel] = Math.round(sum / ((bottom - top) * (right - left)));
      }
    }
  }
  return { width, height, channels: image.channels, pixels };
}

/** The old pixels, at least one, under new pixel `index` of `count`. */
function range(index: number, count: number, length: number): [from: number, to: number] {
  const from = Math.floor((index * length) / count);
  return [from, Math.max(from + 1, Math.floor(((index + 1) * length) / count))];
}
