import { elementCount } from "../../../onnx/types.js";
import type { Recipe } from "../../recipe.js";
import { clipByCast, clipByRamp, reluByCast, reluByRamp, reluBySign, reluByWhere } from "../activationMasks.js";
import { type CpuOperator, type CpuRecipe, elementSizes } from "../operator.js";

/** Made of operators element by element: on blocks where an input is in blocks. */
const mask = (name: string, build: Recipe): CpuRecipe => ({ name, form: "either", fits: () => true, build });

/** ReluGrad: dy, y -> dx */
export const reluGrad: CpuOperator = {
  name: "ReluGrad",
  activations: { inputs: [0, 1], output: true },
  recipes: [mask("ramp", reluByRamp), mask("cast", reluByCast), mask("sign", reluBySign), mask("where", reluByWhere)],
  sizes: ({ inputs }) => elementSizes(elementCount(inputs[0]!.shape)),
  byRule: () => "ramp",
};

/** ClipGrad: dy, x, y -> dx */
export const clipGrad: CpuOperator = {
  name: "ClipGrad",
  activations: { inputs: [0, 1, 2], output: true },
  recipes: [mask("ramp", clipByRamp), mask("cast", clipByCast)],
  sizes: ({ inputs }) => elementSizes(elementCount(inputs[0]!.shape)),
  byRule: () => "ramp",
};
