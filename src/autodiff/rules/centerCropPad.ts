import { attributeInts } from "../../graph/index.js";
import { ints } from "../../onnx/types.js";
import { type GradientRule, registerGradient } from "../registry.js";

/**
 * CenterCropPad cuts floor(d / 2) of d elements too many from an axis's beginning, or puts floor(d / 2) zeros of d missing there, and the rest at its end. So back to the
 * input's sizes it puts zeros where it cut and cuts the zeros that it put: it is its own transpose.
 */
const CenterCropPad: GradientRule = ({ b, attributes, inputs: [x], dy: [dy] }) => {
  const axes = attributeInts(attributes, "axes") ?? x!.shape.map((_, axis) => axis);
  const sizes = axes.map((axis) => x!.shape.at(axis)!);
  return [b.op("CenterCropPad", [dy!, b.int64(sizes)], { axes: ints(axes) })];
};
registerGradient("CenterCropPad", CenterCropPad);
