import sharp, { type Sharp } from "sharp";
import { describe, expect, it } from "vitest";
import type { ImageDescription } from "../dataset.js";
import { orange, plain } from "../testing/images.js";
import { expectFailure, temporaryFolder } from "../testing/temporary.js";
import { decodeImage } from "./decode.js";
import { describeImages } from "./describe.js";

const temporary = temporaryFolder();

/** An image from rows of colours. */
function painted(rows: readonly (readonly number[])[][]): Sharp {
  return sharp(Uint8Array.from(rows.flat(2)), { raw: { width: rows[0]!.length, height: rows.length, channels: 3 } });
}

const square: ImageDescription = { kind: "image", height: 4, width: 4, channels: 3 };

describe("decodeImage", () => {
  const rgb = () => plain(20, 10, orange);
  const cmyk = () => rgb().toColourspace("cmyk");
  const rgb16 = () => rgb().toColourspace("rgb16");
  // JPEG quantises (two levels at this quality), CMYK goes through an ink profile, and 16 bits are cut to 8.
  it.each<[string, () => Promise<Buffer>, number]>([
    ["PNG", () => rgb().png().toBuffer(), 0],
    ["PNG with a palette", () => rgb().png({ palette: true }).toBuffer(), 0],
    ["PNG of 16 bits", () => rgb16().png().toBuffer(), 1],
    ["JPEG", () => rgb().jpeg({ quality: 100 }).toBuffer(), 2],
    ["progressive JPEG", () => rgb().jpeg({ quality: 100, progressive: true }).toBuffer(), 2],
    ["CMYK JPEG", () => cmyk().jpeg({ quality: 100 }).toBuffer(), 32],
    ["WebP", () => rgb().webp({ lossless: true }).toBuffer(), 0],
    ["GIF", () => rgb().gif().toBuffer(), 0],
    ["TIFF", () => rgb().tiff().toBuffer(), 2],
    ["AVIF", () => rgb().avif({ lossless: true }).toBuffer(), 2],
  ])("reads %s", async (_, encoded, tolerance) => {
    const pixels = await decodeImage(await encoded(), square);
    expect(pixels.length).toBe(48);
    for (let i = 0; i < 48; i++) expect(Math.abs(pixels[i]! - [200, 100, 50][i % 3]!)).toBeLessThanOrEqual(tolerance);
  });

  it.each(["grey16", "b-w"] as const)("reads %s as grey or as RGB", async (space) => {
    const file = await plain(8, 8, { r: 90, g: 90, b: 90 }).toColourspace(space).png().toBuffer();
    expect([...(await decodeImage(file, square))]).toEqual(new Array(48).fill(90));
    expect([...(await decodeImage(file, { ...square, channels: 1 }))]).toEqual(new Array(16).fill(90));
  });

  it("turns colour to grey where grey is wanted", async () => {
    const pixels = await decodeImage(await rgb().png().toBuffer(), { ...square, channels: 1 });
    expect(new Set(pixels).size).toBe(1);
    expect(pixels[0]).toBeGreaterThan(50);
    expect(pixels[0]).toBeLessThan(200);
  });

  it("lays transparent pixels on white", async () => {
    const clear = await plain(8, 8, { ...orange, alpha: 0 })
      .png()
      .toBuffer();
    expect([...new Set(await decodeImage(clear, square))]).toEqual([255]);
    const half = await decodeImage(
      await plain(8, 8, { r: 0, g: 0, b: 0, alpha: 0.5 }).webp({ lossless: true }).toBuffer(),
      square,
    );
    // Half of 255, and alpha itself is rounded to 8 bits.
    expect(Math.abs(half[0]! - 127.5)).toBeLessThan(1.5);
  });

  it("takes the first frame of an animation", async () => {
    const frames = await sharp(
      [await plain(8, 8, orange).png().toBuffer(), await plain(8, 8, { r: 0, g: 0, b: 255 }).png().toBuffer()],
      {
        join: { animated: true },
      },
    )
      .gif()
      .toBuffer();
    expect((await sharp(frames).metadata()).pages).toBe(2);
    expect([...(await decodeImage(frames, square)).subarray(0, 3)]).toEqual([200, 100, 50]);
  });

  it("turns the picture as its EXIF orientation says", async () => {
    const [black, white] = [
      [0, 0, 0],
      [255, 255, 255],
    ];
    // Left half black, right half white; orientation 6 asks for a quarter turn clockwise: black goes to the top.
    const file = await painted([0, 1, 2, 3].map(() => [black!, black!, white!, white!]))
      .withMetadata({ orientation: 6 })
      .png()
      .toBuffer();
    const pixels = await decodeImage(file, { ...square, channels: 1 });
    expect([...pixels]).toEqual([...new Array(8).fill(0), ...new Array(8).fill(255)]);
  });

  it("cuts a wide picture to its middle", async () => {
    const [red, white] = [
      [255, 0, 0],
      [255, 255, 255],
    ];
    const wide = [0, 1, 2, 3].map(() => [
      ...new Array(8).fill(red),
      ...new Array(4).fill(white),
      ...new Array(8).fill(red),
    ]);
    expect([...new Set(await decodeImage(await painted(wide).png().toBuffer(), square))]).toEqual([255]);
  });

  it("refuses what is no image, what is no whole image, and what is not there", async () => {
    const whole = await sharp({
      create: {
        width: 60,
        height: 60,
        channels: 3,
        noise: { type: "gaussian", mean: 120, sigma: 60 },
        background: orange,
      },
    })
      .jpeg()
      .toBuffer();
    const path = temporary.write("cut.jpg", whole.subarray(0, whole.length / 2));
    await expectFailure(decodeImage(path, square), "ISO_DATA_IMAGE_UNREADABLE", "cut.jpg");
    await expectFailure(decodeImage(Buffer.from("no image"), square), "ISO_DATA_IMAGE_UNREADABLE", "the given image");
    await expectFailure(
      decodeImage(Buffer.from("<svg width='4' height='4' xmlns='http://www.w3.org/2000/svg'/>"), square),
      "ISO_DATA_IMAGE_UNREADABLE",
      "svg",
    );
    await expectFailure(decodeImage(temporary.path("none.png"), square), "ISO_DATA_MISSING", "none.png");
  });
});

describe("describeImages", () => {
  const header = (width: number, height: number, grey = false) => ({ width, height, grey, mode: "" });

  it.each([
    [
      [
        [28, 28],
        [28, 28],
      ],
      [28, 28],
    ],
    [
      [
        [40, 30],
        [40, 30],
      ],
      [40, 30],
    ],
    [
      [
        [500, 400],
        [300, 375],
        [640, 300],
      ],
      [224, 224],
    ],
    [
      [
        [100, 80],
        [70, 90],
        [75, 300],
      ],
      [64, 64],
    ],
    [
      [
        [10, 12],
        [12, 10],
        [12, 12],
      ],
      [32, 32],
    ],
    [
      [
        [1000, 800],
        [1000, 800],
      ],
      [224, 224],
    ],
  ])("of sizes %j chooses %j", (sizes, [width, height]) => {
    const { input, warning } = describeImages(
      sizes.map(([w, h]) => header(w!, h!)),
      {},
    );
    expect(input).toMatchObject({ width, height });
    expect(warning === undefined).toBe(sizes.every(([w, h]) => w === width && h === height));
  });

  it("takes what is asked for", () => {
    const { input, warning } = describeImages([header(5, 6), header(7, 8)], {
      imageSize: { height: 9, width: 10 },
      channels: 1,
    });
    expect([input, warning]).toEqual([{ kind: "image", height: 9, width: 10, channels: 1 }, undefined]);
  });
});
