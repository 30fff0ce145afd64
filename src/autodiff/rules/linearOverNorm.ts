import type { Value } from "../../graph/index.js";
import { int } from "../../onnx/types.js";
import { registerGradient } from "../registry.js";

/**
 * LinearOverNorm, the scale-invariant linear layer: y = S x W^T / n with n = ||W||. As dn/dW = W / n,
 *
 *   dx = S (dy / n) W     dW = S (dy / n)^T x - (<dy / n, y> / n) W
 *
 * The second term takes out of dW what points along W: <W, dW> = <dy, y> - <dy, y> = 0. Where each row W_k has a norm n_k of its own, the same holds row by row, with <dy, y> summed over
 * the examples alone. S is a factor of the products themselves, which costs no pass over them.
 */
registerGradient("isonorm:LinearOverNorm", ({ b, attributes, inputs, outputs, dy: [dy], wants }) => {
  const [x, weight, norm] = inputs as [Value, Value, Value];
  const [y] = outputs as [Value];
  const alpha = attributes.scale!;
  const overNorm = b.over(dy!, norm);
  const radial = (): Value => {
    const share = b.over(b.sum(b.times(overNorm, y), norm.shape.length === 0 ? undefined : [0]), norm);
    return b.times(weight, norm.shape.length === 0 ? share : b.reshape(share, [norm.shape[0]!, 1]));
  };
  return [
    wants(0) ? b.op("Gemm", [overNorm, weight], { alpha }) : undefined,
    wants(1) ? b.minus(b.op("Gemm", [overNorm, x], { transA: int(1), alpha }), radial()) : undefined,
    undefined,
  ];
});
