import { attributeFloat, type Value } from "../../graph/index.js";
import { int } from "../../onnx/types.js";
import { constantLike } from "../constantLike.js";
import { registerGradient } from "../registry.js";

/**
 * LinearOverNorm, the scale-invariant linear layer: y = S (x W^T) / n with n = ||W||. As dn/dW = W / n,
 *
 *   dx = (S / n) dy W     dW = (S / n) dy^T x - (<dy, y> / n^2) W
 *
 * The second term takes out of dW what points along W: <W, dW> = <dy, y> - <dy, y> = 0. Where each row W_k has a norm n_k of its own, the same holds row by row, with <dy, y> summed over
 * the examples alone.
 */
registerGradient("isonorm:LinearOverNorm", ({ b, attributes, inputs, outputs, dy: [dy], wants }) => {
  const [x, weight, norm] = inputs as [Value, Value, Value];
  const [y] = outputs as [Value];
  const scaled = b.times(dy!, b.over(constantLike(b, attributeFloat(attributes, "scale")!, norm), norm));
  const radial = (): Value => {
    const along = b.sum(b.times(dy!, y), norm.shape.length === 0 ? undefined : [0]);
    const share = b.over(b.over(along, norm), norm);
    return b.times(weight, norm.shape.length === 0 ? share : b.reshape(share, [norm.shape[0]!, 1]));
  };
  return [
    wants(0) ? b.op("Gemm", [scaled, weight]) : undefined,
    wants(1) ? b.minus(b.op("Gemm", [scaled, x], { transA: int(1) }), radial()) : undefined,
    undefined,
  ];
});
