import { attributeFloat, attributeInt, sameShape, type Value } from "../../../graph/index.js";
import { type Attributes, ints } from "../../../onnx/types.js";
import { type BlockedContext, type BlockedRule, blockedOp, placedMatrix } from "./layout.js";
import { hasForm, type MatrixForm, transposedForm } from "./matrices.js";

/**
 * Y = A B of matrices in blocks, as a convolution with kernels of one element. It sums over channels, with positions and maps for the two other axes, and writes blocks of maps:
 *
 *   columns of Y from columns of A (channels k, positions m) and columns of B (maps n, channels k)
 *   rows of Y from rows of B (channels k, positions n) and rows of A (maps m, channels k)
 *
 * The rows of a matrix are the columns of its transpose. So a linear layer Y = X W' takes the rows of W, and its gradients dX = dY W and dW = dY' X take and give them too: where a weight is in blocks of its
 * rows from step to step, it is never put in another order. With [256, 1024] by [1024, 1024], one thread of a Zen 4, all three come to 104 to 110 GFLOP/s, where Gemm reaches 90, and 65 when something
 * else runs on the same core: rows of 4,096 bytes share a few lines of its first cache.
 */
export const matrixProduct: BlockedRule = (context) => {
  const form = productForm(context);
  if (!form) return undefined;
  const { b, attributes } = context;
  const left = context.matrix(0, turned(attributes, "transA", form));
  const right = context.matrix(1, turned(attributes, "transB", form));
  const [image, kernels] = form === "columns" ? [left, right] : [right, left];
  const bias = context.inputs[2] && context.plain(2);
  const maps = b.reshape(kernels, [kernels.shape[1]!, image.shape[1]!, 1, 1]);
  return [placedMatrix(form, blockedOp(b, "Conv", [image, maps, bias], { kernel_shape: ints([1, 1]) }))];
};

/** The form that a product has where it is computed in blocks: state's, if the product is a weight's gradient, or that of its right factor, if that is a weight. */
function productForm({ attributes, block, inputs, inputForm, outputForm }: BlockedContext): MatrixForm | undefined {
  const [left, right, bias] = inputs as [Value, Value, Value | undefined];
  const weight = inputForm(1);
  const form = outputForm(0) ?? (weight && turned(attributes, "transB", weight));
  return form && productHasForm(attributes, [left, right, bias], form, block) ? form : undefined;
}

/** The form of a product's factor by that of the operand which the product may transpose, and the other way round. */
export function turned(attributes: Attributes, transposed: "transA" | "transB", form: MatrixForm): MatrixForm {
  return attributeInt(attributes, transposed, 0) ? transposedForm(form) : form;
}

/** Whether Gemm(A, B, bias) can be computed in that form. A bias goes by maps, which are the product's columns. */
export function productHasForm(
  attributes: Attributes,
  [left, right, bias]: readonly [Value, Value, Value | undefined],
  form: MatrixForm,
  block: number,
): boolean {
  const [leftForm, rightForm] = [turned(attributes, "transA", form), turned(attributes, "transB", form)];
  if (!hasForm(left, leftForm, block) || !hasForm(right, rightForm, block)) return false;
  if (attributeFloat(attributes, "alpha", 1) !== 1) return false;
  if (!bias) return true;
  const maps = right.shape[rightForm === "rows" ? 0 : 1];
  return form === "columns" && attributeFloat(attributes, "beta", 1) === 1 && sameShape(bias.shape, [maps!]);
}
