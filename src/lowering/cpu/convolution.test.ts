import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../../graph/index.js";
import { type Attributes, type Graph, int, ints, type Tensor } from "../../onnx/types.js";
import { measureChannelBlock } from "../../train/index.js";
import {
  type Convolution,
  convolutionGradients,
  convolutionResult,
  outputSize,
} from "../testing/convolutionReference.js";
import { blockedConvolutions, convolutions } from "../testing/convolutions.js";
import { forcing, recipesOf, runLowered } from "../testing/recipes.js";
import { irregular, largestError } from "../testing/runAbstract.js";

/** float32 rounding of sums of up to some thousand terms */
const tolerance = 3e-6;
const channelBlock = await measureChannelBlock({ createSession: InferenceSession.create, Tensor: OrtTensor });

interface Example {
  readonly graph: Graph;
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly expected: ArrayLike<number>;
}

/** A graph of that one operator, its inputs, and its output by the definition. */
function example(operator: string, convolution: Convolution): Example {
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
  const b = new GraphBuilder();
  const given = (inputs: Readonly<Record<string, Tensor>>) =>
    Object.entries(inputs).map(([name, { dtype, shape }]) => b.input(name, dtype, shape));
  if (operator === "Conv") {
    b.output("result", b.op("Conv", given({ x, w }), attributes));
    return { graph: b.finish(operator), inputs: { x, w }, expected: convolutionResult(convolution, x, w) };
  }
  const { dx, dw } = convolutionGradients(convolution, x, w, dy);
  const [inputs, more, expected] =
    operator === "ConvWeightGrad" ? [{ x, dy }, {}, dw] : [{ dy, w }, { input_shape: ints(x.shape) }, dx];
  b.output("result", b.abstract(operator, given(inputs), { ...attributes, ...more })[0]!);
  return { graph: b.finish(operator), inputs, expected };
}

const shapes = { ...convolutions, ...blockedConvolutions(channelBlock ?? 8) };

describe.each(["Conv", "ConvWeightGrad", "ConvInputGrad"])("every recipe of %s is the definition's sum", (operator) => {
  it.each(Object.entries(shapes))("%s", async (_, convolution) => {
    const { graph, inputs, expected } = example(operator, convolution);
    for (const block of new Set([undefined, channelBlock]))
      for (const recipe of recipesOf(graph, operator, block)) {
        const options = { channelBlock: block, costs: forcing(recipe, block) };
        const { outputs } = await runLowered(graph, inputs, options);
        expect(largestError(outputs.result!, expected), `${recipe}, blocks of ${block}`).toBeLessThan(tolerance);
      }
  });
});

it.skipIf(channelBlock === undefined)("each recipe is tried on some shape", () => {
  const tried = (operator: string) =>
    new Set(
      Object.values(shapes).flatMap((shape) => recipesOf(example(operator, shape).graph, operator, channelBlock)),
    );
  for (const [operator, recipes] of [
    ["Conv", ["blocks", "as it is", "vector product"]],
    ["ConvInputGrad", ["blocks", "blocks by phase", "flipped", "transposed", "vector product"]],
    [
      "ConvWeightGrad",
      [
        ...["blocks", "blocks in parts", "padded blocks", "padded blocks in parts", "blocks by image", "convolution"],
        ...[
          "convolution in parts",
          "product",
          "product per image",
          "vector product",
          "place products",
          "column products",
        ],
      ],
    ],
  ] as const)
    expect([...tried(operator)]).toEqual(expect.arrayContaining([...recipes]));
});
