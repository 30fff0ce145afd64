import { describe, expect, it } from "vitest";
import { GraphBuilder, type Value } from "../../graph/index.js";
import { type Attributes, int, ints, type Tensor } from "../../onnx/types.js";
import { convolutionShape } from "../shared/convolution.js";
import { type Convolution, convolutionGradients, outputSize } from "../testing/convolutionReference.js";
import { convolutions } from "../testing/convolutions.js";
import { irregular, largestError, runAbstract, runGraph } from "../testing/runAbstract.js";
import type { ConvWeightGradChoice } from "./chooseConvWeightGrad.js";
import { type ConvInputGradChoice, convInputGradBy } from "./convInputGrad.js";
import { convWeightGradBy } from "./convWeightGrad.js";

/** float32 rounding of sums of up to a few hundred terms */
const tolerance = 2e-6;

function example(convolution: Convolution) {
  const { images, channels, maps, group, input, kernel, strides, dilations, pads } = convolution;
  const x = irregular([images, channels, ...input], 1);
  const w = irregular([maps, channels / group, ...kernel], 2);
  const dy = irregular([images, maps, ...outputSize(convolution)], 3);
  const attributes: Attributes = {
    kernel_shape: ints(kernel),
    strides: ints(strides),
    dilations: ints(dilations),
    pads: ints(pads),
    group: int(group),
  };
  return { x, w, dy, attributes, ...convolutionGradients(convolution, x, w, dy) };
}

describe("ConvWeightGrad on the CPU is the definition's sum", () => {
  it.each(Object.entries(convolutions))("%s", async (_, convolution) => {
    const { x, dy, attributes, dw } = example(convolution);
    const [actual] = await runAbstract("ConvWeightGrad", [x, dy], attributes);
    expect(largestError(actual!, dw)).toBeLessThan(tolerance);
  });
});

describe("every recipe of ConvWeightGrad gives the same, whatever the choice", () => {
  const cases = Object.entries(convolutions).flatMap(([name, convolution]) =>
    applicableWeightRecipes(convolution).map((choice) => [JSON.stringify(choice), name, choice, convolution] as const),
  );
  it.each(cases)("%s: %s", async (_, __, choice, convolution) => {
    const { x, dy, attributes, dw } = example(convolution);
    const shape = convolutionShape(attributes, x.shape, dy.shape);
    const actual = await runRecipe({ x, dy }, (b, values) => convWeightGradBy(choice, b, values.x!, values.dy!, shape));
    expect(largestError(actual, dw)).toBeLessThan(tolerance);
  });
});

describe("ConvInputGrad on the CPU is the definition's sum", () => {
  it.each(Object.entries(convolutions))("%s", async (_, convolution) => {
    const { x, w, dy, attributes, dx } = example(convolution);
    const [actual] = await runAbstract("ConvInputGrad", [dy, w], { ...attributes, input_shape: ints(x.shape) });
    expect(largestError(actual!, dx)).toBeLessThan(tolerance);
  });
});

describe("every recipe of ConvInputGrad gives the same, whatever the choice", () => {
  const cases = Object.entries(convolutions).flatMap(([name, convolution]) =>
    applicableInputRecipes(convolution).map((choice) => [choice, name, convolution] as const),
  );
  it.each(cases)("%s: %s", async (choice, _, convolution) => {
    const { x, w, dy, attributes, dx } = example(convolution);
    const shape = convolutionShape(attributes, x.shape, dy.shape);
    const actual = await runRecipe({ dy, w }, (b, values) => convInputGradBy(choice, b, values.dy!, values.w!, shape));
    expect(largestError(actual, dx)).toBeLessThan(tolerance);
  });
});

function applicableWeightRecipes({ images, channels, group, kernel, pads }: Convolution): ConvWeightGradChoice[] {
  const choices: ConvWeightGradChoice[] = [1, 2, 4]
    .filter((parts) => images % parts === 0)
    .map((parts) => ({ recipe: "convolution", parts }));
  if (kernel.every((size) => size === 1) && pads.every((pad) => pad === 0))
    choices.push({ recipe: "productPerImage" }, { recipe: "product" });
  if (group === channels) choices.push({ recipe: "placeProducts" }, { recipe: "columnProducts" });
  return choices;
}

function applicableInputRecipes({ strides }: Convolution): ConvInputGradChoice[] {
  return strides.every((stride) => stride === 1) ? ["flipped", "transposed"] : ["transposed"];
}

async function runRecipe(
  inputs: Readonly<Record<string, Tensor>>,
  build: (b: GraphBuilder, values: Readonly<Record<string, Value>>) => Value,
): Promise<Float32Array> {
  const b = new GraphBuilder();
  const entries = Object.entries(inputs);
  const values = Object.fromEntries(entries.map(([name, { dtype, shape }]) => [name, b.input(name, dtype, shape)]));
  b.output("result", build(b, values));
  return (await runGraph(b.finish("recipe"), new Map(entries))).get("result") as Float32Array;
}
