import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import sharp from "sharp";
import { expect, test, vi } from "vitest";
import { Random } from "../../src/data/index.js";
import { decode } from "../../src/onnx/index.js";
import { doneOf, eventsOf, isonorm, temporaryFolder } from "../cli/isonorm.js";

vi.setConfig({ testTimeout: 600_000 });

const outlines: Readonly<Record<string, (x: number, y: number, r: number) => string>> = {
  circle: (x, y, r) => `<circle cx="${x}" cy="${y}" r="${r}"/>`,
  square: (x, y, r) => `<rect x="${x - r}" y="${y - r}" width="${2 * r}" height="${2 * r}"/>`,
  triangle: (x, y, r) => `<path d="M${x} ${y - r}l${r} ${2 * r}h${-2 * r}z"/>`,
  diamond: (x, y, r) => `<path d="M${x} ${y - r}l${r} ${r}l${-r} ${r}l${-r} ${-r}z"/>`,
  bar: (x, y, r) => `<rect x="${x - r}" y="${y - 4}" width="${2 * r}" height="8"/>`,
};

/** Ten classes, a shape in a warm or a cold colour each, of 12 PNG files of 64x64 pixels. */
async function drawShapes(): Promise<string> {
  const random = new Random("shapes");
  const between = (low: number, high: number) => low + (high - low) * random.uniform();
  const data = join(temporaryFolder(), "shapes");
  for (const [shape, outline] of Object.entries(outlines))
    for (const [tone, hue] of Object.entries({ warm: 20, cold: 210 })) {
      const folder = join(data, `${tone}-${shape}`);
      mkdirSync(folder, { recursive: true });
      for (let index = 0; index < 12; index++) {
        const drawn = outline(between(24, 40), between(24, 40), between(10, 20));
        const colour = `hsl(${between(hue - 20, hue + 20)},80%,${between(40, 70)}%)`;
        const ground = `<rect width="64" height="64" fill="hsl(0,0%,${between(10, 90)}%)"/>`;
        const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64">${ground}<g fill="${colour}">${drawn}</g></svg>`;
        await sharp(Buffer.from(svg))
          .removeAlpha()
          .png()
          .toFile(join(folder, `${index}.png`));
      }
    }
  return data;
}

test("a search with MobileNetV2 0.35 on a folder of images ends with a model that runs anywhere", async () => {
  const [data, out] = [await drawShapes(), join(temporaryFolder(), "run")];
  const options = "--model mobilenetv2 --width 0.35 --epochs 4 --batch-size 16 --threads 1 --json".split(" ");
  const ran = await isonorm("search", data, ...options, "--out", out);
  const done = doneOf(ran);
  expect(done).toMatchObject({ validation: { loss: expect.any(Number) }, test: { accuracy: expect.any(Number) } });
  const ended = eventsOf(ran).filter(({ event, state }) => event === "trial" && state !== "running");
  expect(ended.length).toBeGreaterThanOrEqual(3);
  expect(new Set(ended.map(({ state }) => state))).toEqual(new Set(["complete"]));
  const { settings } = JSON.parse(readFileSync(join(out, "run.json"), "utf8"));
  expect(settings).toMatchObject({ model: "mobilenetv2", width: 0.35 });

  const bytes = readFileSync(join(out, "model.onnx"));
  const { graph, opsets } = decode(bytes);
  expect([...opsets.keys()]).toEqual([""]);
  expect(graph.nodes.filter(({ op }) => op === "Conv")).toHaveLength(52);
  const session = await InferenceSession.create(bytes, { intraOpNumThreads: 1 });
  const { data: pixels } = await sharp(join(data, "warm-bar", "3.png"))
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { probabilities } = await session.run({ pixels: new Tensor("uint8", new Uint8Array(pixels), [1, 64, 64, 3]) });
  expect(probabilities!.dims).toEqual([1, 10]);
  expect((probabilities!.data as Float32Array).reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 5);
});
