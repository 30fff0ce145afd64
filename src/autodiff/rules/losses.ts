import { attributeInt, attributeString, type GraphBuilder, type Value } from "../../graph/index.js";
import { int } from "../../onnx/types.js";
import { constantLike } from "../constantLike.js";
import { type GradientContext, registerGradient } from "../registry.js";

/**
 * The loss of labels t under log-probabilities p [N, C, ...]: l_n = -w_t p_nt, 0 where t is `ignore_index`; "none" gives each, "sum" L = sum l_n, "mean"
 * L = sum l_n / W with W = sum w_t. With h_nc = [t_n = c], 0 where ignored, and g_n = dL/dl_n, which is dy, for the mean dy / W:
 *
 *   dp_nc = -h_nc w_c g_n     dw_c = sum over n of h_nc g_n (-p_nc - L), with L for the mean only, where W depends on w too
 */
function negativeLogLikelihood(context: GradientContext, p: Value, dy: Value) {
  const { b, attributes, inputs, outputs } = context;
  const [, labels, weights] = inputs as [Value, Value, Value | undefined];
  const [classes, positions] = [p.shape[1]!, p.shape.slice(2)];
  const hot = oneHot(b, labels, classes, p, attributeInt(attributes, "ignore_index"));
  const perClass = weights ? b.reshape(weights, [classes, ...positions.map(() => 1)]) : constantLike(b, 1, p);
  const weighted = b.times(hot, perClass);
  const mean = attributeString(attributes, "reduction", "mean") === "mean";
  const g = mean ? b.over(dy, b.sum(weighted)) : dy;
  const aligned = g.shape.length === 0 ? g : b.reshape(g, [p.shape[0]!, 1, ...positions]);
  const ofWeights = () => {
    const loss = mean ? b.plus(p, outputs[0]!) : p;
    const axes = p.shape.map((_, axis) => axis).filter((axis) => axis !== 1);
    return b.negative(b.sum(b.times(b.times(hot, aligned), loss), axes));
  };
  return { dp: b.negative(b.times(weighted, aligned)), ofWeights };
}

/** Labels [N, ...] as ones and zeros [N, classes, ...], all zeros for a label to ignore. */
function oneHot(b: GraphBuilder, labels: Value, classes: number, like: Value, ignored: number | undefined): Value {
  const values = b.constant({ dtype: "float32", shape: [2], data: Float32Array.of(0, 1) }, "offOn");
  const hot = b.cast(b.op("OneHot", [labels, b.int64([classes]), values], { axis: int(1) }), like.dtype);
  if (ignored === undefined) return hot;
  const kept = b.op("Not", [b.op("Equal", [labels, b.cast(b.int64([ignored]), labels.dtype)])]);
  const [images, ...positions] = labels.shape as [number, ...number[]];
  return b.times(hot, b.reshape(b.cast(kept, like.dtype), [images, 1, ...positions]));
}

registerGradient("NegativeLogLikelihoodLoss", (context) => {
  const { inputs, dy, wants } = context;
  const { dp, ofWeights } = negativeLogLikelihood(context, inputs[0]!, dy[0]!);
  return [dp, undefined, wants(2) ? ofWeights() : undefined];
});

/** The same of p = log softmax x, which may be an output too: dx = dp - softmax(x) sum over c of dp_c. */
registerGradient("SoftmaxCrossEntropyLoss", (context) => {
  const { b, inputs, dy, wants } = context;
  const p = b.op("LogSoftmax", [inputs[0]], { axis: int(1) });
  const loss = dy[0] && negativeLogLikelihood(context, p, dy[0]);
  const dp = loss && dy[1] ? b.plus(loss.dp, dy[1]) : (loss?.dp ?? dy[1]!);
  const dx = wants(0) ? b.minus(dp, b.times(b.exp(p), b.sum(dp, [1], true))) : undefined;
  return [dx, undefined, wants(2) ? loss?.ofWeights() : undefined];
});
