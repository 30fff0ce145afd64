import { attributeInt, type GraphBuilder, type Value } from "../../graph/index.js";
import { int } from "../../onnx/types.js";
import { throughComposition } from "../differentiate.js";
import { type GradientContext, type GradientRule, registerGradient } from "../registry.js";
import { axisMatrix, transposedAlongAxis } from "./axisMatrix.js";
import { constantNumbers, frontAxis, requireConstant } from "./operands.js";

/**
 * DFT along one axis, x = u + i v of n numbers (v = 0 where the last axis has one) cut or filled with zeros to a length N:
 *
 *   y_k = sum over t < N of x_t e^(-i w k t), w = 2 pi / N;  inverse: w = -2 pi / N, divided by N
 *
 * With C_kt = cos(w k t) and S_kt = sin(w k t): Re y = C u + S v, Im y = C v - S u. So from dy = g + i h
 *
 *   du = C' g - S' h,  dv = S' g + C' h
 */
const DFT: GradientRule = (context) => {
  const { b, attributes, inputs, dy } = context;
  const x = inputs[0]!;
  const axis = transformedAxis(context, x);
  const size = x.shape[axis]!;
  const length = inputs[1] ? requireConstant(context.node, "dft_length", inputs[1])[0]! : size;
  const inverse = attributeInt(attributes, "inverse", 0) !== 0;
  const kept = dy[0]!.shape[axis]!;
  const matrix = (wave: (angle: number) => number) => {
    const step = ((inverse ? -1 : 1) * 2 * Math.PI) / length;
    const entries = Array.from({ length: kept }, (_, k) =>
      Array.from({ length: Math.min(size, length) }, (_, t) => {
        // Reduced before the multiplication, for cosines of large angles are inexact.
        const value = wave(step * ((k * t) % length)) / (inverse ? length : 1);
        return [k, t, value] as const;
      }),
    );
    return axisMatrix(kept, size, entries.flat());
  };
  const [cosines, sines] = [matrix(Math.cos), matrix(Math.sin)];
  const last = x.shape.length - 1;
  const part = (index: number) => b.op("Gather", [dy[0]!, b.int64([index])], { axis: int(last) });
  const [g, h] = [part(0), part(1)];
  const along = (m: typeof cosines, value: Value) => transposedAlongAxis(b, m, value, axis);
  const du = b.minus(along(cosines, g), along(sines, h));
  if (x.shape[last] === 1) return [du];
  const dv = b.plus(along(sines, g), along(cosines, h));
  return [b.op("Concat", [du, dv], { axis: int(last) })];
};

/** An attribute before operator set 20, an input since. */
function transformedAxis({ attributes, inputs, opset }: GradientContext, x: Value): number {
  const axis = opset < 20 ? attributeInt(attributes, "axis", 1) : (constantNumbers(inputs[2])?.[0] ?? -2);
  return frontAxis(axis, x.shape.length);
}

/** STFT: frames of the signal [B, L, 1 or 2], `step` apart, times the window, each transformed by DFT. */
function shortTime({ b, node, attributes, inputs, outputs, opset }: GradientContext): Value {
  const [signal, step, window] = inputs as [Value, Value, Value | undefined];
  const [, frames] = outputs[0]!.shape as readonly [number, number];
  const stride = requireConstant(node, "frame_step", step)[0]!;
  const length = inputs[3] ? requireConstant(node, "frame_length", inputs[3])[0]! : window!.shape[0]!;
  const places = Array.from({ length: frames * length }, (_, at) => Math.floor(at / length) * stride + (at % length));
  const framed = b.op("Gather", [signal, b.reshape(b.int64(places), [frames, length])], { axis: int(1) });
  const weighted = window ? b.times(framed, b.reshape(window, [length, 1])) : framed;
  const onesided = { onesided: int(attributeInt(attributes, "onesided", 1)) };
  return opset < 20
    ? b.op("DFT", [weighted], { ...onesided, axis: int(2) })
    : b.op("DFT", [weighted, undefined, scalarAxis(b, 2)], onesided);
}

function scalarAxis(b: GraphBuilder, axis: number): Value {
  return b.constant({ dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(axis)) }, "axis");
}

registerGradient("DFT", DFT);
registerGradient("STFT", (context) => {
  const { b, inputs, dy, wants } = context;
  const wanted = [0, 2].filter(wants);
  const gradients = throughComposition(
    b,
    () => [shortTime(context)],
    dy,
    wanted.map((index) => inputs[index]!),
  );
  return inputs.map((_, index) => gradients[wanted.indexOf(index)]);
});
