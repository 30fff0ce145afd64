import type { Value } from "../graph/index.js";
import { toMultipleOf8 } from "./mobileNet.js";
import { type Architecture, Network } from "./network.js";
import { requireImage, requireMultiplier, requireProbability } from "./requirements.js";

export interface EfficientNetOptions {
  /** Multiplies the channels of every layer (the paper's w); default 1. */
  readonly width?: number;
  /** Probability of dropout before the classifier; default 0.2 (section 5.2). */
  readonly dropout?: number;
  /** Probability of drop path, rising linearly from 0 in the first block to this (not reached) after the last; default 0.2 (section 5.2). */
  readonly dropPath?: number;
}

/** Expansion, kernel, stride of the first block, channels, blocks: Tan and Le 2019, arXiv 1905.11946, table 1. */
const stages = [
  [1, 3, 1, 16, 1],
  [6, 3, 2, 24, 2],
  [6, 5, 2, 40, 2],
  [6, 3, 2, 80, 3],
  [6, 5, 1, 112, 3],
  [6, 5, 2, 192, 4],
  [6, 3, 1, 320, 1],
] as const;

const blocksInAll = stages.reduce((sum, [, , , , blocks]) => sum + blocks, 0);

/**
 * EfficientNet-B0 (Tan and Le 2019, arXiv 1905.11946, table 1) for images of about 224x224, from 17x17 on: inverted residuals with squeeze-excite and
 * SiLU. Weights from N(0, 2 / fan-out), biases 0, as the authors' code has them; batch normalisation with torchvision's epsilon of 1e-5.
 * The convolutions of squeeze-excite are followed by no normalisation: they take the plain step with a learning rate of their own.
 *
 * @example models.efficientnetB0({ dropPath: 0.1 })
 */
export function efficientnetB0({ width = 1, dropout = 0.2, dropPath = 0.2 }: EfficientNetOptions = {}): Architecture {
  const name = "efficientnet-b0";
  requireMultiplier(name, "width", width);
  requireProbability(name, "dropout", dropout);
  requireProbability(name, "dropPath", dropPath);
  return {
    name,
    settings: { width, dropout, dropPath },
    kind: "image",
    build(input) {
      // Five halvings: from 17 pixels on, the last one still has 2x2 positions to halve.
      requireImage(name, input.shape, 17);
      const net = new Network(input);
      let x = unit(net, "stem", net.input, toMultipleOf8(32 * width), { stride: 2 });
      let built = 0;
      stages.forEach(([expansion, kernel, stride, channels, blocks], stage) => {
        for (let block = 0; block < blocks; block++)
          x = mobileBottleneck(net, `stage${stage + 1}.block${block + 1}`, x, {
            expansion,
            kernel,
            channels: toMultipleOf8(channels * width),
            stride: block === 0 ? stride : 1,
            dropPath: (dropPath * built++) / blocksInAll,
          });
      });
      x = unit(net, "last", x, 4 * x.shape[1]!, { kernel: 1 });
      const features = net.dropout("dropout", net.globalAverage(x), dropout);
      return net.finish(name, net.classifier(features, input.classes, input.head));
    },
  };
}

/** Convolution, batch normalisation, SiLU. */
function unit(
  net: Network,
  name: string,
  x: Value,
  channels: number,
  options: { kernel?: number; stride?: number; groups?: number },
): Value {
  const y = net.convolution(`${name}.conv`, x, channels, { ...options, fan: "out" });
  return silu(net, net.batchNormalization(`${name}.bn`, y));
}

/** The paper's MBConv: 1x1 expansion, depthwise convolution, squeeze-excite, 1x1 projection without activation; x is added where the shapes agree. */
function mobileBottleneck(
  net: Network,
  name: string,
  x: Value,
  options: { expansion: number; kernel: number; channels: number; stride: number; dropPath: number },
): Value {
  const { expansion, kernel, channels, stride, dropPath } = options;
  const hidden = x.shape[1]! * expansion;
  let y = expansion === 1 ? x : unit(net, `${name}.expand`, x, hidden, { kernel: 1 });
  y = unit(net, `${name}.depthwise`, y, hidden, { kernel, stride, groups: hidden });
  // A quarter of the block's input channels, not of the expanded ones.
  y = squeezeExcite(net, `${name}.squeezeExcite`, y, Math.max(1, Math.floor(x.shape[1]! / 4)));
  y = net.convolution(`${name}.project.conv`, y, channels, { kernel: 1, fan: "out" });
  y = net.batchNormalization(`${name}.project.bn`, y);
  if (stride !== 1 || x.shape[1] !== channels) return y;
  return net.b.plus(x, net.dropPath(name, y, dropPath));
}

/** x * sigmoid(W2 silu(W1 mean(x) + b1) + b2), channel by channel (Hu et al. 2018, arXiv 1709.01507, section 3). x: [batch, channels, height, width] */
export function squeezeExcite(net: Network, name: string, x: Value, squeezed: number): Value {
  const { b } = net;
  const options = { kernel: 1, bias: true, fan: "out" } as const;
  let gate = net.convolution(`${name}.reduce`, b.op("GlobalAveragePool", [x]), squeezed, options);
  gate = net.convolution(`${name}.expand`, silu(net, gate), x.shape[1]!, options);
  return b.times(x, b.op("Sigmoid", [gate]));
}

/** x sigmoid(x), which the paper calls swish. ONNX has it as one operator only from operator set 24 on. */
function silu({ b }: Network, x: Value): Value {
  return b.times(x, b.op("Sigmoid", [x]));
}
