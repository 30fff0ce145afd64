/**
 * Training steps in TensorFlow.js on its WASM backend, which on Node has SIMD and one thread.
 *
 * The backend lacks kernels that TensorFlow.js's own gradients need (Conv2DBackpropFilter), and others are slow there: Conv2DBackpropInput and products of transposed operands run without
 * SIMD (ten and forty times slower than conv2d and a transposition of its own), and FusedBatchNorm takes longer than the convolution before it. So convolution, product and batch normalisation have
 * gradients of their own below, made of the kernels that are fast. With TensorFlow.js's own gradients the networks with convolutions do not train at all.
 */
import { createRequire } from "node:module";
import "@tensorflow/tfjs-backend-wasm";
import * as tf from "@tensorflow/tfjs-core";
import type { Layers } from "./networks.js";
import { epsilon, momentum, serveTraining, type Training } from "./training.js";

type Save = (tensors: tf.Tensor[]) => void;
type Pads = [[number, number], [number, number], [number, number], [number, number]];

const squarePads = (begin: number, end = begin): Pads => [
  [0, 0],
  [begin, end],
  [begin, end],
  [0, 0],
];

/** conv2d with pads of its own: the type of its explicit padding is not exported. x: NHWC, w: HWIO */
function conv2d(x: tf.Tensor, w: tf.Tensor, stride: number, pads: Pads, dilation = 1): tf.Tensor4D {
  return tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, stride, pads as unknown as "same", "NHWC", dilation);
}

/** dx: dy, with stride - 1 zeros between its elements, convolved with w flipped and its channels exchanged. */
function inputGradient(dy: tf.Tensor, w: tf.Tensor, size: number, stride: number): tf.Tensor {
  const [batch, rows, , maps] = dy.shape as [number, number, number, number];
  const kernel = w.shape[0]!;
  const pad = (kernel - 1) / 2;
  const flipped = tf.transpose(kernel === 1 ? w : tf.reverse(w, [0, 1]), [0, 1, 3, 2]);
  if (stride === 1) return conv2d(dy, flipped, 1, squarePads(kernel - 1 - pad));
  const spread = tf.pad(tf.reshape(dy, [batch * rows, 1, rows, maps]), [
    [0, 0],
    [0, stride - 1],
    [0, 0],
    [0, (stride - 1) * maps],
  ]);
  const wide = rows * stride;
  const begin = kernel - 1 - pad;
  return conv2d(tf.reshape(spread, [batch, wide, wide, maps]), flipped, 1, squarePads(begin, begin + size - wide));
}

/** dw: a convolution of x with dy, where channels are the batch, images the channels, and the stride is the dilation. */
function weightGradient(x: tf.Tensor, dy: tf.Tensor, kernel: number, stride: number): tf.Tensor {
  const pad = (kernel - 1) / 2;
  const [source, filter] = [tf.transpose(x, [3, 1, 2, 0]), tf.transpose(dy, [1, 2, 0, 3])];
  const all = conv2d(source, filter, 1, squarePads(pad), stride);
  const [channels, , , maps] = all.shape;
  return tf.transpose(tf.slice(all, [0, 0, 0, 0], [channels, kernel, kernel, maps]), [1, 2, 0, 3]);
}

const convolution = (x: tf.Tensor, w: tf.Tensor, stride: number): tf.Tensor =>
  tf.customGrad((x, w, save) => {
    const [input, weight, keep] = [x as tf.Tensor, w as tf.Tensor, save as Save];
    keep([input, weight]);
    const kernel = weight.shape[0]!;
    return {
      value: conv2d(input, weight, stride, squarePads((kernel - 1) / 2)),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => [
        inputGradient(dy, saved[1]!, saved[0]!.shape[1]!, stride),
        weightGradient(saved[0]!, dy, kernel, stride),
      ],
    };
  })(x, w);

const product = (a: tf.Tensor, b: tf.Tensor): tf.Tensor =>
  tf.customGrad((a, b, save) => {
    const [left, right, keep] = [a as tf.Tensor, b as tf.Tensor, save as Save];
    keep([left, right]);
    return {
      value: tf.matMul(left, right),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => [
        tf.matMul(dy, tf.transpose(saved[1]!)),
        tf.matMul(tf.transpose(saved[0]!), dy),
      ],
    };
  })(a, b);

/** Sum over everything but the channels, as a product with ones: four times as fast as tf.sum. */
function channelSum(x: tf.Tensor): tf.Tensor {
  const channels = x.shape.at(-1)!;
  const rows = x.size / channels;
  return tf.reshape(tf.matMul(tf.ones([1, rows]), tf.reshape(x, [rows, channels])), [channels]);
}

/** dbias = sum dy, dscale = i (sum dy x - mean sum dy), dx = scale i (dy - dbias / m - x^ dscale / m), with i = 1 / deviation. */
const batchNormalization = (x: tf.Tensor, scale: tf.Tensor, bias: tf.Tensor): tf.Tensor =>
  tf.customGrad((x, scale, bias, save) => {
    const [input, gamma, beta, keep] = [x as tf.Tensor, scale as tf.Tensor, bias as tf.Tensor, save as Save];
    const count = input.size / input.shape.at(-1)!;
    const mean = tf.div(channelSum(input), count);
    const variance = tf.sub(tf.div(channelSum(tf.square(input)), count), tf.square(mean));
    const inverse = tf.rsqrt(tf.add(tf.maximum(variance, 0), epsilon));
    const gain = tf.mul(gamma, inverse);
    keep([input, mean, inverse, gain]);
    return {
      value: tf.add(tf.mul(input, gain), tf.sub(beta, tf.mul(mean, gain))),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [x, mean, inverse, gain] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
        const dbias = channelSum(dy);
        const dscale = tf.mul(inverse, tf.sub(channelSum(tf.mul(dy, x)), tf.mul(mean, dbias)));
        const slope = tf.div(tf.mul(tf.mul(gain, inverse), dscale), -count);
        const offset = tf.sub(tf.div(tf.mul(gain, dbias), -count), tf.mul(slope, mean));
        return [tf.add(tf.mul(dy, gain), tf.add(tf.mul(x, slope), offset)), dscale, dbias];
      },
    };
  })(x, scale, bias);

class TensorFlowLayers implements Layers<tf.Tensor> {
  constructor(
    readonly weights: ReadonlyMap<string, tf.Variable>,
    readonly scale: number,
  ) {}

  has = (weight: string): boolean => this.weights.has(weight);
  convolution = (x: tf.Tensor, weight: string, stride: number): tf.Tensor =>
    convolution(x, this.weights.get(weight)!, stride);
  batchNormalization = (x: tf.Tensor, name: string): tf.Tensor =>
    batchNormalization(x, this.weights.get(`${name}.weight`)!, this.weights.get(`${name}.bias`)!);
  relu = (x: tf.Tensor): tf.Tensor => tf.relu(x);
  add = (a: tf.Tensor, b: tf.Tensor): tf.Tensor => tf.add(a, b);
  globalAverage = (x: tf.Tensor): tf.Tensor => tf.mean(x, [1, 2]);
  linear = (x: tf.Tensor, weight: string): tf.Tensor => product(x, this.weights.get(weight)!);
  classifier = (x: tf.Tensor, weight: string): tf.Tensor => {
    const w = this.weights.get(weight)!;
    return tf.div(tf.mul(product(x, w), this.scale), tf.sqrt(tf.sum(tf.square(w))));
  };
}

/** isonorm's layout as TensorFlow.js wants it: NCHW becomes NHWC; [K, C, h, w] becomes HWIO; [outputs, inputs] is transposed. */
function convert({ shape, data }: Training["input"], permutation?: readonly number[]): tf.Tensor {
  return tf.tidy(() => {
    const tensor = tf.tensor(data, [...shape]);
    return permutation ? tf.transpose(tensor, [...permutation]) : tensor;
  });
}

// The package's build for Node leaves the gradients out.
createRequire(import.meta.url)("@tensorflow/tfjs-core/dist/register_all_gradients");
await tf.setBackend("wasm");
await serveTraining(async ({ network, input, targets, weights, scale }) => {
  const x = convert(input, input.shape.length === 4 ? [0, 2, 3, 1] : undefined);
  const expected = convert(targets);
  const variables = new Map(
    [...weights].map(([name, weight]) => {
      const permutation = { 4: [2, 3, 1, 0], 2: [1, 0] }[weight.shape.length];
      return [name, tf.variable(convert(weight, permutation))] as const;
    }),
  );
  const layers = new TensorFlowLayers(variables, scale);
  const loss = (): tf.Scalar =>
    tf.neg(tf.mean(tf.sum(tf.mul(expected, tf.logSoftmax(network(layers, x))), 1))) as tf.Scalar;
  let optimizer = tf.train.momentum(1e-4, momentum);
  let present = 1e-4;
  return async (rate) => {
    if (rate !== present) {
      optimizer.dispose();
      [optimizer, present] = [tf.train.momentum(rate, momentum), rate];
    }
    const value = optimizer.minimize(loss, true, [...variables.values()])!;
    const [result] = await value.data();
    value.dispose();
    return result!;
  };
});
