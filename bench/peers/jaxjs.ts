/**
 * Training steps in jax-js on its WASM backend, which on Node has one thread: the loss, its gradient by `valueAndGrad` and the update, compiled by `jit`.
 *
 * Its own convolution, `lax.convGeneralDilated`, runs at 0.3 GFLOP/s there, gradients included: a step of the convnet took 8 s. So it is written as a sum of products, one for each place of the kernel,
 * images with their channels last, which is six to twenty times faster.
 */
import { defaultDevice, init, jit, nn, numpy as np, tree, valueAndGrad } from "@jax-js/jax";
import type { Layers } from "./networks.js";
import { epsilon, momentum, serveTraining } from "./training.js";

type Weights = Record<string, np.Array>;

/** jax-js counts references, and every operation uses one up: `ref` adds one. */
class JaxLayers implements Layers<np.Array> {
  constructor(
    readonly weights: Weights,
    readonly scale: number,
  ) {}

  #weight = (name: string): np.Array => this.weights[name]!.ref;

  has = (weight: string): boolean => weight in this.weights;
  convolution = (x: np.Array, weight: string, stride: number): np.Array => {
    const w = this.#weight(weight);
    const [batch, height, width, channels] = x.shape as [number, number, number, number];
    const kernel = Math.sqrt(w.shape[0]! / channels);
    const pad = (kernel - 1) / 2;
    const outputs = (size: number): number => Math.floor((size + 2 * pad - kernel) / stride) + 1;
    const [rows, columns] = [outputs(height), outputs(width)];
    // Each window has stride times the output's size, the last one too.
    const padding = (size: number): [number, number] => [
      pad,
      Math.max(pad, kernel - 1 + stride * outputs(size) - size - pad),
    ];
    const padded =
      kernel === 1 && stride === 1 ? x.ref : np.pad(x.ref, [[0, 0], padding(height), padding(width), [0, 0]]);
    let sum: np.Array | undefined;
    for (let i = 0; i < kernel; i++)
      for (let j = 0; j < kernel; j++) {
        const window = padded.ref.slice([], [i, i + stride * rows], [j, j + stride * columns]);
        const read =
          stride === 1
            ? window
            : window.reshape([batch, rows, stride, columns, stride, channels]).slice([], [], 0, [], 0);
        const place = (i * kernel + j) * channels;
        const product = np.matmul(
          read.reshape([batch * rows * columns, channels]),
          w.ref.slice([place, place + channels]),
        );
        sum = sum ? sum.add(product) : product;
      }
    return sum!.reshape([batch, rows, columns, w.shape[1]!]);
  };
  batchNormalization = (x: np.Array, name: string): np.Array => {
    const axes = x.shape.slice(1).map((_, axis) => axis);
    const centred = x.ref.sub(np.mean(x.ref, axes, { keepdims: true }));
    const variance = np.mean(np.square(centred.ref), axes, { keepdims: true });
    const gain = this.#weight(`${name}.weight`).div(np.sqrt(variance.add(epsilon)));
    return centred.mul(gain).add(this.#weight(`${name}.bias`));
  };
  relu = (x: np.Array): np.Array => nn.relu(x.ref);
  add = (a: np.Array, b: np.Array): np.Array => a.ref.add(b.ref);
  globalAverage = (x: np.Array): np.Array => np.mean(x.ref, [1, 2]);
  linear = (x: np.Array, weight: string): np.Array => np.matmul(x.ref, this.#weight(weight));
  classifier = (x: np.Array, weight: string): np.Array =>
    this.linear(x, weight)
      .mul(this.scale)
      .div(np.sqrt(np.sum(np.square(this.#weight(weight)))));
}

await init("wasm");
defaultDevice("wasm");
await serveTraining(async ({ network, input, targets, weights, scale }) => {
  const array = ({ shape, data }: { shape: readonly number[]; data: Float32Array }): np.Array =>
    np.array(data as Float32Array<ArrayBuffer>).reshape([...shape]);
  const image = input.shape.length === 4;
  const x = image ? array(input).transpose([0, 2, 3, 1]) : array(input);
  const expected = array(targets);
  await x.blockUntilReady();
  /** [K, C, h, w] as [h w C, K], [outputs, inputs] transposed: operands of a product as they are. */
  const converted = (weight: np.Array): np.Array => {
    if (weight.ndim === 1) return weight;
    const [outputs] = weight.shape;
    return weight.ndim === 2 ? weight.transpose() : weight.transpose([2, 3, 1, 0]).reshape([-1, outputs!]);
  };
  let present: Weights = {};
  let velocity: Weights = {};
  for (const [name, weight] of weights) {
    present[name] = converted(array(weight));
    velocity[name] = np.zeros(present[name].shape);
  }
  const loss = (weights: Weights, x: np.Array, expected: np.Array): np.Array => {
    const logits = network(new JaxLayers(weights, scale), x);
    return np.sum(expected.mul(nn.logSoftmax(logits, 1))).mul(-1 / targets.shape[0]!);
  };
  const step = jit((weights: Weights, velocity: Weights, x: np.Array, expected: np.Array, rate: np.Array) => {
    const [value, gradients] = valueAndGrad(loss)(tree.ref(weights), x, expected) as [np.Array, Weights];
    const next: Weights = {};
    const nextVelocity: Weights = {};
    for (const name of Object.keys(weights)) {
      const moved = velocity[name]!.mul(momentum).add(gradients[name]!);
      next[name] = weights[name]!.sub(moved.ref.mul(rate.ref));
      nextVelocity[name] = moved;
    }
    return [value, next, nextVelocity] as [np.Array, Weights, Weights];
  });
  return async (rate) => {
    const [value, next, nextVelocity] = step(present, velocity, x.ref, expected.ref, np.array(rate)) as [
      np.Array,
      Weights,
      Weights,
    ];
    [present, velocity] = [next, nextVelocity];
    const [result] = await value.data();
    await Promise.all(Object.values(next).map((weight) => weight.blockUntilReady()));
    return Number(result);
  };
});
