import { elementCount } from "../../../onnx/types.js";
import { channelSum as sumInBlocks } from "../blocked/batchNormalization.js";
import { sumOfSquares as dotProduct, dotRow } from "../blocked/dot.js";
import { type CpuOperator, elementSizes } from "../operator.js";
import {
  channelSum as byImage,
  sumOfSquares as byRows,
  channelSumAtOnce,
  mostSquaresAtOnce,
  sumOfSquaresAtOnce,
  sumOfSquaresOfRows,
} from "../sums.js";
import { channelSizes, inBlocks } from "./batchNormalization.js";

/** ChannelSum: x [N, C, ...] -> [C] */
export const channelSum: CpuOperator = {
  name: "ChannelSum",
  activations: { inputs: [0], output: false },
  recipes: [
    { name: "blocks", form: "blocked", fits: inBlocks(0), build: sumInBlocks },
    { name: "by image", form: "plain", fits: () => true, build: byImage },
    { name: "at once", form: "plain", fits: ({ inputs }) => inputs[0]!.shape.length > 2, build: channelSumAtOnce },
  ],
  sizes: (node) => channelSizes(node, 0),
  byRule: (_, fits) => (fits("blocks") ? "blocks" : "by image"),
};

/** SumOfSquares: a tensor of any shape -> a scalar */
export const sumOfSquares: CpuOperator = {
  name: "SumOfSquares",
  activations: { inputs: [], output: false },
  recipes: [
    {
      name: "blocks",
      form: "blocked",
      fits: ({ inputs, block, isBlocked }) => {
        const { shape, dtype } = inputs[0]!;
        if (block === undefined || dtype !== "float32" || (isBlocked(0) && shape.length !== 2)) return false;
        return dotRow(elementCount(shape), block) !== undefined;
      },
      build: dotProduct,
    },
    {
      name: "at once",
      form: "any order",
      fits: ({ inputs }) => elementCount(inputs[0]!.shape) <= mostSquaresAtOnce,
      build: sumOfSquaresAtOnce,
    },
    { name: "rows", form: "any order", fits: () => true, build: byRows },
    { name: "squares of rows", form: "any order", fits: () => true, build: sumOfSquaresOfRows },
  ],
  sizes: ({ inputs }) => elementSizes(elementCount(inputs[0]!.shape)),
  byRule: (_, fits) => (fits("at once") ? "at once" : fits("blocks") ? "blocks" : "rows"),
};
