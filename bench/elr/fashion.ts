import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

const folder = "../shared/data/fashion-mnist";

/** The first images of Fashion-MNIST's training set, each the mean of blocks of `block` x `block` pixels. */
export function fashion(images: number, block: 1 | 2) {
  if (!existsSync(folder)) throw new Error(`${folder} is missing: this measurement needs Fashion-MNIST there`);
  const load = (name: string, header: number): Uint8Array =>
    gunzipSync(readFileSync(`${folder}/${name}-ubyte.gz`)).subarray(header);
  const pixels = load("train-images-idx3", 16);
  const side = 28 / block;
  const records = new Uint8Array(images * side * side);
  for (let image = 0; image < images; image++)
    for (let y = 0; y < side; y++)
      for (let x = 0; x < side; x++) {
        let sum = 0;
        for (let dy = 0; dy < block; dy++)
          for (let dx = 0; dx < block; dx++) sum += pixels[784 * image + 28 * (y * block + dy) + x * block + dx]!;
        records[(image * side + y) * side + x] = Math.round(sum / block ** 2);
      }
  return {
    records,
    labels: [...load("train-labels-idx1", 8).subarray(0, images)],
    classes: Array.from({ length: 10 }, (_, label) => String(label)),
    input: { kind: "image", height: side, width: side, channels: 1 } as const,
  };
}
