import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { GraphBuilder } from "../graph/index.js";
import { type FloatTensor, relativeDifference, run, tensor } from "../method/testing/run.js";
import { clipByGlobalNorm } from "./index.js";

const figures = JSON.parse(readFileSync(new URL("../../test/fixtures/optim/optim.json", import.meta.url), "utf8")) as {
  readonly shape: readonly number[];
  readonly gradients: readonly (readonly number[])[];
  readonly clipped: readonly {
    readonly limit: number;
    readonly norm: number;
    readonly gradients: readonly (readonly number[])[];
  }[];
};

async function clip(gradients: readonly FloatTensor[], limit: number) {
  const b = new GraphBuilder();
  const inputs = gradients.map((gradient, index) => b.input(`g${index}`, "float32", gradient.shape));
  const clipped = clipByGlobalNorm(b, [inputs[0], undefined, ...inputs.slice(1)], limit);
  expect(clipped.gradients[1]).toBeUndefined();
  clipped.gradients
    .filter((gradient) => gradient !== undefined)
    .forEach((gradient, index) => {
      b.output(`c${index}`, gradient);
    });
  b.output("norm", clipped.norm!);
  return run(b, Object.fromEntries(gradients.map((gradient, index) => [`g${index}`, gradient])));
}

it.each(figures.clipped)("agrees with PyTorch at limit $limit", async ({ limit, norm, gradients }) => {
  const outputs = await clip(
    figures.gradients.slice(3, 5).map((gradient) => tensor(figures.shape, gradient)),
    limit,
  );
  expect(relativeDifference(outputs.norm!, [norm])).toBeLessThan(1e-6);
  // PyTorch divides by norm + 1e-6, which is 1e-7 of these norms.
  for (const [index, expected] of gradients.entries())
    expect(relativeDifference(outputs[`c${index}`]!, expected)).toBeLessThan(1e-6);
});

it("leaves gradients within the limit as they are, bit for bit, and zero ones zero", async () => {
  const small = tensor([3], [0.1, -0.2, 0.3]);
  expect((await clip([small, small], 1)).c1).toEqual(small.data);
  expect([...(await clip([tensor([2], [0, 0])], 1)).c0!]).toEqual([0, 0]);
});

it("shows by its norm where squares overflow", async () => {
  expect((await clip([tensor([2], [1e30, 1])], 1)).norm![0]).toBe(Number.POSITIVE_INFINITY);
  expect((await clip([tensor([2], [Number.NaN, 1])], 1)).norm![0]).toBeNaN();
});

it("has nothing to clip without gradients, and takes a positive limit", () => {
  const b = new GraphBuilder();
  expect(clipByGlobalNorm(b, [undefined], 1)).toEqual({ gradients: [undefined], norm: undefined });
  for (const limit of [0, -1, Number.POSITIVE_INFINITY])
    expect(() => clipByGlobalNorm(b, [], limit)).toThrow(expect.objectContaining({ code: "ISO_ARGUMENT" }));
});
