import { all, type ConvolutionShape } from "../shared/convolution.js";

export type ConvWeightGradChoice =
  | { readonly recipe: "matMulPerImage" }
  | { readonly recipe: "slices" }
  | { readonly recipe: "channelsAsDepth"; readonly parts: number }
  | { readonly recipe: "channelsAsBatch" }
  | { readonly recipe: "placeProducts" }
  | { readonly recipe: "columnProducts" };

export function chooseConvWeightGrad(shape: ConvolutionShape): ConvWeightGradChoice {
  if (all(shape.kernel, 1) && shape.padsBegin.every((pad) => pad <= 0) && shape.padsEnd.every((pad) => pad <= 0))
    return { recipe: "matMulPerImage" };
  return shape.input.length === 3 ? { recipe: "channelsAsBatch" } : { recipe: "channelsAsDepth", parts: 1 };
}
