import { IsonormError } from "../errors.js";
import type { Value } from "../graph/index.js";
import { elementCount, float, int, ints } from "../onnx/types.js";
import { type Architecture, Network } from "./network.js";
import { requireCount, requireImage, requireProbability } from "./requirements.js";

export interface VitOptions {
  /** Side of a patch in pixels; by default the largest power of two, at most 16, that leaves 8 patches along the shorter side: 16 at 224, 4 at 32. */
  readonly patch?: number;
  /** Numbers a token; default 192. */
  readonly dim?: number;
  /** Blocks; default 12. */
  readonly depth?: number;
  /** Attention heads, of dim / heads numbers each; default 3. */
  readonly heads?: number;
  /** Probability of dropout on the tokens, at the end of each branch, and before the classifier; default 0, as DeiT has it. */
  readonly dropout?: number;
  /** Probability of drop path, rising linearly from 0 in the first block to this in the last; default 0.1 (DeiT, table 9). */
  readonly dropPath?: number;
}

/** Weights of linear layers and positions: normal, deviation 0.02, cut at two deviations (DeiT, section 6, after Hanin and Rolnick 2018). */
const [deviation, within] = [0.02, 2];

/**
 * Vision transformer (Dosovitskiy et al. 2021, arXiv 2010.11929, equations 1 to 4) of the size "Ti" of DeiT (Touvron et al. 2021, arXiv 2012.12877,
 * table 1) for images of about 224x224, from 4x4 on: patches, learned positions, blocks that normalise first, GELU, an MLP of four times the
 * tokens' numbers. Where the patch does not divide the image, zeros are put around it.
 *
 * The classifier reads the mean of the tokens, not a class token: better without pretraining (Beyer et al. 2022, arXiv 2205.01580), and every
 * operator keeps the batch size open. Query, key and value are three weights, each with a norm of its own.
 * Only the classifier is scale-invariant: what the blocks compute is added to the residual stream.
 *
 * @example models.vitTiny({ patch: 4, depth: 6 })
 */
export function vitTiny(options: VitOptions = {}): Architecture {
  const name = "vit-tiny";
  const { patch, dim = 192, depth = 12, heads = 3, dropout = 0, dropPath = 0.1 } = options;
  for (const [option, value] of Object.entries({ patch: patch ?? 1, dim, depth, heads }))
    requireCount(name, option, value);
  requireProbability(name, "dropout", dropout);
  requireProbability(name, "dropPath", dropPath);
  if (dim % heads !== 0)
    throw new IsonormError(
      "ISO_ARGUMENT",
      `${name} cannot split dim ${dim} among ${heads} heads`,
      "Give a dim that heads divides",
    );
  return {
    name,
    settings: { ...(patch === undefined ? {} : { patch }), dim, depth, heads, dropout, dropPath },
    kind: "image",
    build(input) {
      requireImage(name, input.shape, Math.max(4, patch ?? 0));
      const net = new Network(input);
      const { b } = net;
      const side = patch ?? patchFor(Math.min(input.shape[1]!, input.shape[2]!));
      let x = patches(net, "patch", net.input, side, dim);
      x = b.plus(x, net.normal("position.weight", [1, x.shape[1]!, dim], deviation, within));
      x = net.dropout("position.dropout", x, dropout);
      for (let index = 0; index < depth; index++)
        x = block(net, `block${index + 1}`, x, {
          heads,
          dropout,
          dropPath: depth === 1 ? dropPath : (dropPath * index) / (depth - 1),
        });
      x = b.mean(layerNormalization(net, "norm", x), [1]);
      return net.finish(name, net.classifier(net.dropout("dropout", x, dropout), input.classes, input.head));
    },
  };
}

function patchFor(shorterSide: number): number {
  return Math.min(16, 2 ** Math.max(0, Math.floor(Math.log2(shorterSide / 8))));
}

/** One token a patch: [batch, channels, height, width] to [batch, tokens, dim]. The weight from N(0, 1 / fan-in), as the authors' code has it. */
function patches(net: Network, name: string, x: Value, side: number, dim: number): Value {
  const { b } = net;
  const [, channels, height, width] = x.shape as readonly [number, number, number, number];
  const missing = [height, width].map((size) => Math.ceil(size / side) * side - size);
  const before = missing.map((size) => size >> 1);
  const after = missing.map((size, axis) => size - before[axis]!);
  const shape = [dim, channels, side, side];
  const weight = net.normal(`${name}.weight`, shape, Math.sqrt(1 / elementCount(shape.slice(1))), within);
  const y = b.op(
    "Conv",
    [x, weight, net.filled(`${name}.bias`, dim, 0)],
    { kernel_shape: ints([side, side]), strides: ints([side, side]), pads: ints([...before, ...after]) },
    { name },
  );
  const tokens = y.shape[2]! * y.shape[3]!;
  return b.transpose(b.op("Reshape", [y, b.int64([-1, dim, tokens])]), [0, 2, 1]);
}

/** x + attention(norm(x)), then x + mlp(norm(x)). x: [batch, tokens, dim] */
export function block(
  net: Network,
  name: string,
  x: Value,
  { heads, dropout, dropPath }: { heads: number; dropout: number; dropPath: number },
): Value {
  const { b } = net;
  const branch = (part: string, y: Value) =>
    net.dropPath(`${name}.${part}`, net.dropout(`${name}.${part}.dropout`, y, dropout), dropPath);
  const attended = attention(net, `${name}.attention`, layerNormalization(net, `${name}.norm1`, x), heads);
  const y = b.plus(x, branch("attention", attended));
  return b.plus(y, branch("mlp", mlp(net, `${name}.mlp`, layerNormalization(net, `${name}.norm2`, y))));
}

/**
 * Softmax(q k' / sqrt(dim / heads)) v for each head, and a linear layer over all of them (Vaswani et al. 2017, arXiv 1706.03762, section 3.2).
 * x: [batch, tokens, dim]
 */
function attention(net: Network, name: string, x: Value, heads: number): Value {
  const { b } = net;
  const [, tokens, dim] = x.shape as readonly [number, number, number];
  const rows = b.op("Reshape", [x, b.int64([-1, dim])]);
  const split = (part: string, order: readonly number[]): Value => {
    const y = linear(net, `${name}.${part}`, rows, dim);
    return b.transpose(b.op("Reshape", [y, b.int64([-1, tokens, heads, dim / heads])]), order);
  };
  const query = b.times(split("query", [0, 2, 1, 3]), b.scalar(1 / Math.sqrt(dim / heads)));
  const weights = b.op("Softmax", [b.matMul(query, split("key", [0, 2, 3, 1]))], { axis: int(-1) });
  const y = b.transpose(b.matMul(weights, split("value", [0, 2, 1, 3])), [0, 2, 1, 3]);
  const projected = linear(net, `${name}.project`, b.op("Reshape", [y, b.int64([-1, dim])]), dim);
  return b.op("Reshape", [projected, b.int64([-1, tokens, dim])]);
}

/** Two linear layers with GELU between. x: [batch, tokens, dim] */
function mlp(net: Network, name: string, x: Value): Value {
  const { b } = net;
  const [, tokens, dim] = x.shape as readonly [number, number, number];
  const hidden = linear(net, `${name}.expand`, b.op("Reshape", [x, b.int64([-1, dim])]), 4 * dim);
  const y = linear(net, `${name}.project`, b.op("Gelu", [hidden]), dim);
  return b.op("Reshape", [y, b.int64([-1, tokens, dim])]);
}

/** x W' + bias. x: [rows, features] */
function linear(net: Network, name: string, x: Value, features: number): Value {
  const weight = net.normal(`${name}.weight`, [features, x.shape[1]!], deviation, within);
  return net.b.op("Gemm", [x, weight, net.filled(`${name}.bias`, features, 0)], { transB: int(1) }, { name });
}

/** Over the numbers of each token; epsilon 1e-6 as in the authors' code. */
function layerNormalization(net: Network, name: string, x: Value): Value {
  const dim = x.shape.at(-1)!;
  return net.b.op(
    "LayerNormalization",
    [x, net.filled(`${name}.weight`, dim, 1), net.filled(`${name}.bias`, dim, 0)],
    { axis: int(-1), epsilon: float(1e-6) },
    { name },
  );
}
