import type { Value } from "../graph/index.js";
import { type Architecture, Network } from "./network.js";
import { requireImage, requireMultiplier, requireProbability } from "./requirements.js";

export interface MobileNetV2Options {
  /** Multiplies the channels of every layer (the paper's width multiplier: 0.35 to 1.4); default 1. */
  readonly width?: number;
  /** Probability of dropout before the classifier; default 0.2, as the authors' code and torchvision have it. */
  readonly dropout?: number;
}

/** Expansion, channels, blocks and stride of the first block: Sandler et al. 2018, arXiv 1801.04381, table 2. */
const stages = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
] as const;

/**
 * MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381, section 4) for images of about 224x224, from 17x17 on: inverted residuals with depthwise
 * convolutions and ReLU6. The last convolution's 1280 channels grow with a width above 1 and do not shrink below it (section 4).
 * The paper names no initialisation: weights are drawn as in He et al. 2015, the fan counted within a group. All of them are scale-invariant.
 *
 * @example models.mobilenetV2({ width: 0.35 })
 */
export function mobilenetV2({ width = 1, dropout = 0.2 }: MobileNetV2Options = {}): Architecture {
  const name = "mobilenetv2";
  requireMultiplier(name, "width", width);
  requireProbability(name, "dropout", dropout);
  return {
    name,
    settings: { width, dropout },
    kind: "image",
    build(input) {
      // Five halvings: from 17 pixels on, the last one still has 2x2 positions to halve.
      requireImage(name, input.shape, 17);
      const net = new Network(input);
      let x = unit(net, "stem", net.input, toMultipleOf8(32 * width), { stride: 2 });
      stages.forEach(([expansion, channels, blocks, stride], stage) => {
        for (let block = 0; block < blocks; block++)
          x = invertedResidual(net, `stage${stage + 1}.block${block + 1}`, x, {
            expansion,
            channels: toMultipleOf8(channels * width),
            stride: block === 0 ? stride : 1,
          });
      });
      x = unit(net, "last", x, toMultipleOf8(1280 * Math.max(1, width)), { kernel: 1 });
      const features = net.dropout("dropout", net.globalAverage(x), dropout);
      return net.finish(name, net.classifier(features, input.classes, input.head));
    },
  };
}

/** Convolution, batch normalisation, ReLU6. */
function unit(
  net: Network,
  name: string,
  x: Value,
  channels: number,
  options: { kernel?: number; stride?: number; groups?: number },
): Value {
  const y = net.batchNormalization(`${name}.bn`, net.convolution(`${name}.conv`, x, channels, options));
  return net.b.op("Clip", [y, net.b.scalar(0), net.b.scalar(6)]);
}

/** 1x1 to `expansion` times the channels, 3x3 depthwise, 1x1 to `channels` without activation; x is added where the shapes agree. */
function invertedResidual(
  net: Network,
  name: string,
  x: Value,
  { expansion, channels, stride }: { expansion: number; channels: number; stride: number },
): Value {
  const hidden = x.shape[1]! * expansion;
  let y = expansion === 1 ? x : unit(net, `${name}.expand`, x, hidden, { kernel: 1 });
  y = unit(net, `${name}.depthwise`, y, hidden, { stride, groups: hidden });
  y = net.convolution(`${name}.project.conv`, y, channels, { kernel: 1 });
  y = net.batchNormalization(`${name}.project.bn`, y);
  return stride === 1 && x.shape[1] === channels ? net.b.plus(x, y) : y;
}

/** Channels rounded to the nearest multiple of 8, but by no more than a tenth downwards: as the authors' code and torchvision do. */
export function toMultipleOf8(channels: number): number {
  const rounded = Math.max(8, Math.floor((channels + 4) / 8) * 8);
  return rounded < 0.9 * channels ? rounded + 8 : rounded;
}
