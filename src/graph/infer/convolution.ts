import { elementCount } from "../../onnx/types.js";
import { attributeInt, attributeInts, attributeString } from "../attributes.js";
import { required, requireRank, requireRankAtLeast, requireSameType, requireVector, shapeError } from "./context.js";
import { type InferContext, type InferRule, registerInference } from "./registry.js";
import { transposedWindowGeometry, type WindowGeometry, windowGeometry } from "./window.js";

/** X [N, C, d1, ...], W [M, C/group, k1, ...], B [M] -> [N, M, o1, ...] */
export const convolution: InferRule = (context) => {
  const x = required(context, 0);
  const w = required(context, 1);
  requireSameType(context, x, w, context.inputs[2]);
  requireRankAtLeast(context, x, 3, "X");
  const group = requireFactors(context);
  const [channels, maps] = [x.shape[1]!, w.shape[0]!];
  if (channels !== w.shape[1]! * group)
    throw shapeError(
      context,
      `X has ${channels} channels where W [${w.shape.join(", ")}] with group ${group} asks for ${w.shape[1]! * group}`,
    );
  if (maps % group !== 0) throw shapeError(context, `group ${group} does not divide W's ${maps} output channels`);
  requireVector(context, context.inputs[2], maps, "B");
  const kernel = w.shape.slice(2);
  requireWindow(context, kernel);
  const { output } = requireOutput(context, windowGeometry(context.attributes, x.shape.slice(2), kernel));
  return [{ dtype: x.dtype, shape: [x.shape[0]!, maps, ...output] }];
};
registerInference("Conv", convolution);

/** Conv followed by an activation; its fourth input, of the output's shape, is added before the activation. */
registerInference("com.microsoft:FusedConv", (context) => {
  const types = convolution(context);
  const added = context.inputs[3];
  if (added && added.shape.join() !== types[0]!.shape.join())
    throw shapeError(context, `Z must have the output's shape [${types[0]!.shape.join(", ")}]`);
  return types;
});

/** As Conv of images; offset [N, 2 K offset_group, oh, ow] and mask [N, K offset_group, oh, ow] for the K = kh kw taps. */
registerInference("DeformConv", (context) => {
  const [x, w, offset, bias, mask] = [
    required(context, 0),
    required(context, 1),
    required(context, 2),
    ...context.inputs.slice(3),
  ];
  const inputs = [x, w, bias];
  requireSameType(context, x, w, offset, bias, mask);
  requireRank(context, x, 4, "X");
  const types = convolution({ ...context, inputs });
  const groups = attributeInt(context.attributes, "offset_group", 1);
  if (groups < 1 || x.shape[1]! % groups !== 0)
    throw shapeError(context, `offset_group ${groups} does not divide X's ${x.shape[1]} channels`);
  const taps = groups * elementCount(w.shape.slice(2));
  const [images, , ...output] = types[0]!.shape;
  for (const [value, channels, label] of [
    [offset, 2 * taps, "offset"],
    [mask, taps, "mask"],
  ] as const)
    if (value && value.shape.join() !== [images, channels, ...output].join())
      throw shapeError(context, `${label} must have shape [${[images, channels, ...output].join(", ")}]`);
  return types;
});

/** X [N, C, d1, ...], W [C, M/group, k1, ...], B [M] -> [N, M, o1, ...] */
registerInference("ConvTranspose", (context) => {
  const x = required(context, 0);
  const w = required(context, 1);
  requireSameType(context, x, w, context.inputs[2]);
  requireRankAtLeast(context, x, 3, "X");
  const group = requireFactors(context);
  const channels = x.shape[1]!;
  if (channels !== w.shape[0])
    throw shapeError(context, `X has ${channels} channels where W [${w.shape.join(", ")}] asks for ${w.shape[0]}`);
  if (channels % group !== 0) throw shapeError(context, `group ${group} does not divide X's ${channels} channels`);
  const maps = w.shape[1]! * group;
  requireVector(context, context.inputs[2], maps, "B");
  const kernel = w.shape.slice(2);
  requireWindow(context, kernel);
  for (const name of ["output_padding", "output_shape"]) {
    const given = attributeInts(context.attributes, name);
    if (given && given.length !== kernel.length && !(name === "output_shape" && given.length === kernel.length + 2))
      throw shapeError(
        context,
        `${name} [${given.join(", ")}] must have one entry for each of ${kernel.length} spatial axes`,
      );
  }
  const { output } = requireOutput(context, transposedWindowGeometry(context.attributes, x.shape.slice(2), kernel));
  return [{ dtype: x.dtype, shape: [x.shape[0]!, maps, ...output] }];
});

/** Checks that X and W have one rank and that kernel_shape, if given, is W's; returns `group`. */
function requireFactors(context: InferContext): number {
  const x = required(context, 0);
  const w = required(context, 1);
  if (w.shape.length !== x.shape.length)
    throw shapeError(context, `X and W must have one rank, not ${x.shape.length} and ${w.shape.length}`);
  const kernel = attributeInts(context.attributes, "kernel_shape");
  if (kernel && kernel.join() !== w.shape.slice(2).join())
    throw shapeError(context, `kernel_shape [${kernel.join(", ")}] is not that of W [${w.shape.join(", ")}]`);
  const group = attributeInt(context.attributes, "group", 1);
  if (group < 1) throw shapeError(context, `group must be 1 or more, not ${group}`);
  return group;
}

/** Checks the attributes that describe a moving window against the number of its axes. */
export function requireWindow(context: InferContext, kernel: readonly number[]): void {
  const { attributes } = context;
  const rank = required(context, 0).shape.length - 2;
  for (const [name, length, least] of [
    ["strides", rank, 1],
    ["dilations", rank, 1],
    ["pads", 2 * rank, Number.NEGATIVE_INFINITY],
  ] as const) {
    const given = attributeInts(attributes, name);
    if (given && given.length !== length)
      throw shapeError(context, `${name} [${given.join(", ")}] must have ${length} entries for ${rank} spatial axes`);
    if (given?.some((size) => size < least))
      throw shapeError(context, `${name} [${given.join(", ")}] must be ${least} or more`);
  }
  if (kernel.length !== rank || kernel.some((size) => size < 1))
    throw shapeError(context, `the kernel [${kernel.join(", ")}] must have ${rank} sizes of 1 or more`);
  const autoPad = attributeString(attributes, "auto_pad", "NOTSET");
  if (!["", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"].includes(autoPad))
    throw shapeError(context, `auto_pad "${autoPad}" is none of NOTSET, VALID, SAME_UPPER, SAME_LOWER`);
}

/** Throws where the window does not fit into the padded input even once. */
export function requireOutput(context: InferContext, geometry: WindowGeometry): WindowGeometry {
  if (geometry.output.some((size) => size < 1))
    throw shapeError(
      context,
      `the window does not fit: kernel [${geometry.kernel.join(", ")}], dilations [${geometry.dilations.join(", ")}], ` +
        `strides [${geometry.strides.join(", ")}] and pads [${geometry.pads.join(", ")}] give output [${geometry.output.join(", ")}]`,
    );
  return geometry;
}
