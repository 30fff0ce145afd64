import { attributeFloats, attributeInt, attributeInts, attributeString } from "../attributes.js";
import { constantIntegers, frontAxes, required, requireRank, shapeError } from "./context.js";
import { type InferContext, registerInference } from "./registry.js";

/** [N, C, H, W] -> [N, C / b^2, H b, W b] */
registerInference("DepthToSpace", (context) => {
  const x = required(context, 0);
  const block = blockSize(context);
  const [n, c, h, w] = x.shape as [number, number, number, number];
  if (c % block ** 2 !== 0) throw shapeError(context, `${c} channels are no multiple of blocksize^2 = ${block ** 2}`);
  return [{ dtype: x.dtype, shape: [n, c / block ** 2, h * block, w * block] }];
});

/** [N, C, H, W] -> [N, C b^2, H / b, W / b] */
registerInference("SpaceToDepth", (context) => {
  const x = required(context, 0);
  const block = blockSize(context);
  const [n, c, h, w] = x.shape as [number, number, number, number];
  if (h % block !== 0 || w % block !== 0)
    throw shapeError(context, `height ${h} and width ${w} must be multiples of blocksize ${block}`);
  return [{ dtype: x.dtype, shape: [n, c * block ** 2, h / block, w / block] }];
});

function blockSize(context: InferContext): number {
  requireRank(context, required(context, 0), 4, "input");
  const block = attributeInt(context.attributes, "blocksize", 0);
  if (block < 1) throw shapeError(context, `blocksize must be 1 or more, not ${block}`);
  return block;
}

/** Upsample (until opset 9): scales are an attribute in opset 7, an input in 9. */
registerInference("Upsample", (context) => {
  const x = required(context, 0);
  const scales = attributeFloats(context.attributes, "scales") ?? constantIntegers(context, 1, "scales");
  return [{ dtype: x.dtype, shape: scaled(context, x.shape, scales ?? []) }];
});

/**
 * Resize: inputs X and scales in opset 10; X, region of interest, scales, sizes since 11. Since opset 18 scales and sizes may speak of the
 * attribute `axes` only, and keep_aspect_ratio_policy makes one scale of the sizes.
 */
registerInference("Resize", (context) => {
  const x = required(context, 0);
  const { dtype, shape } = x;
  if (attributeString(context.attributes, "coordinate_transformation_mode", "half_pixel") === "tf_crop_and_resize")
    throw shapeError(context, "coordinate_transformation_mode tf_crop_and_resize is not supported");
  const axes = frontAxes(
    context,
    attributeInts(context.attributes, "axes") ?? shape.map((_, axis) => axis),
    shape.length,
  );
  const given = (index: number, label: string) => {
    const numbers = constantIntegers(context, index, label);
    if (numbers?.length && numbers.length !== axes.length)
      throw shapeError(context, `${label} [${numbers.join(", ")}] must have one entry for each of ${axes.length} axes`);
    // An empty tensor stands for an absent input in opset 11.
    return numbers?.length ? numbers : undefined;
  };
  const scales = context.opset < 11 ? given(1, "scales") : given(2, "scales");
  const sizes = context.opset < 11 ? undefined : given(3, "sizes");
  if (scales && !sizes) {
    const all = shape.map(() => 1);
    axes.forEach((axis, index) => {
      all[axis] = scales[index]!;
    });
    return [{ dtype, shape: scaled(context, shape, all) }];
  }
  if (!sizes || scales) throw shapeError(context, "needs either scales or sizes");
  const resized = [...shape];
  const policy = attributeString(context.attributes, "keep_aspect_ratio_policy", "stretch");
  const ratios = axes.map((axis, index) => sizes[index]! / shape[axis]!);
  const scale = policy === "not_larger" ? Math.min(...ratios) : Math.max(...ratios);
  axes.forEach((axis, index) => {
    resized[axis] = policy === "stretch" ? sizes[index]! : Math.round(scale * shape[axis]!);
  });
  return [{ dtype, shape: resized }];
});

/** floor(scale * size), multiplied in single precision as ONNX Runtime does. */
function scaled(context: InferContext, shape: readonly number[], scales: readonly number[]): readonly number[] {
  if (scales.length !== shape.length || scales.some((scale) => !(scale > 0)))
    throw shapeError(context, `scales [${scales.join(", ")}] must be ${shape.length} positive numbers`);
  return shape.map((size, axis) => Math.floor(Math.fround(Math.fround(scales[axis]!) * size)));
}
