import type { GraphBuilder, Value } from "../../../graph/index.js";
import { type ConvolutionShape, convolutionShape, product } from "../../shared/convolution.js";
import { maxPoolGradByComparison } from "../../shared/maxPool.js";
import { poolShape, repeatShares, spreadShares, tiles, windowShares } from "../averagePool.js";
import { convInputGrad, inputGradReverses } from "../blocked/convolution.js";
import type { BlockedContext, Placed } from "../blocked/layout.js";
import { inputGradByPhases, inputGradHasPhases } from "../blocked/phases.js";
import { maxPoolGrad as scatter } from "../maxPool.js";
import type { CpuOperator, NodeView, Sizes } from "../operator.js";

/** MaxPoolGrad: x, y, dy -> dx */
export const maxPoolGrad: CpuOperator = {
  name: "MaxPoolGrad",
  activations: { inputs: [0, 1, 2], output: true },
  recipes: [
    { name: "scatter", form: "plain", fits: () => true, build: scatter },
    { name: "comparison", form: "plain", fits: () => true, build: maxPoolGradByComparison },
  ],
  sizes: ({ attributes, inputs }) => poolSizes(convolutionShape(attributes, inputs[0]!.shape, inputs[2]!.shape)),
  byRule: () => "scatter",
};

/** AveragePoolGrad: dy -> dx */
export const averagePoolGrad: CpuOperator = {
  name: "AveragePoolGrad",
  activations: { inputs: [0], output: true },
  recipes: [
    { name: "repeat", form: "plain", fits: (node) => tiles(poolShape(node)), build: repeatShares },
    { name: "transposed convolution", form: "plain", fits: () => true, build: spreadShares },
    { name: "blocks", form: "blocked", fits: hasBlocks, build: inBlocks },
  ],
  sizes: (node) => poolSizes(poolShape(node)),
  byRule: (node) => (tiles(poolShape(node)) ? "repeat" : "transposed convolution"),
};

function poolSizes(shape: ConvolutionShape): Sizes {
  const { images, channels, output, kernel } = shape;
  const [positions, taps] = [product(output), product(kernel)];
  return {
    kind: tiles(shape) ? "tiles" : "overlapping",
    sizes: { images, channels, positions, taps },
    work: images * channels * positions * taps,
  };
}

/** As a depthwise convolution, which pooling by averages is: all its kernels hold the same share. */
function depthwise(shape: ConvolutionShape): ConvolutionShape {
  return { ...shape, group: shape.channels, maps: shape.channels };
}

function hasBlocks(node: NodeView): boolean {
  const shape = depthwise(poolShape(node));
  if (node.block === undefined || !node.isBlocked(0) || windowShares(node.attributes, shape).data.length > 1)
    return false;
  return inputGradReverses(shape, node.block) || inputGradHasPhases(shape, node.block);
}

function inBlocks(context: BlockedContext): readonly Placed[] {
  const { b, attributes, block } = context;
  const shape = depthwise(poolShape(context));
  const kernels = equalKernels(b, shape, Number(windowShares(attributes, shape).data[0]));
  return (inputGradReverses(shape, block) ? convInputGrad : inputGradByPhases)(context, shape, kernels);
}

/** [C, 1, ...kernel] of one number */
function equalKernels(b: GraphBuilder, { channels, kernel }: ConvolutionShape, share: number): Value {
  const data = new Float32Array(channels * product(kernel)).fill(share);
  return b.constant({ dtype: "float32", shape: [channels, 1, ...kernel], data }, "windowShares");
}
