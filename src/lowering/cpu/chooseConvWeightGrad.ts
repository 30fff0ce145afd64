import { all, type ConvolutionShape } from "../shared/convolution.js";

export type ConvWeightGradChoice =
  | { readonly recipe: "convolution"; readonly parts: number }
  | { readonly recipe: "productPerImage" }
  | { readonly recipe: "product" }
  | { readonly recipe: "placeProducts" }
  | { readonly recipe: "columnProducts" };

export function chooseConvWeightGrad(shape: ConvolutionShape): ConvWeightGradChoice {
  if (all(shape.kernel, 1) && shape.padsBegin.every((pad) => pad <= 0) && shape.padsEnd.every((pad) => pad <= 0))
    return { recipe: "productPerImage" };
  return { recipe: "convolution", parts: 1 };
}
