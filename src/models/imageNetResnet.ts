import type { Value } from "../graph/index.js";
import { ints } from "../onnx/types.js";
import { type Architecture, Network } from "./network.js";
import { requireCount, requireImage } from "./requirements.js";

/** Channels of the first stage; default 64. */
export interface ImageNetResNetOptions {
  readonly width?: number;
}

/**
 * ResNet of 18 layers for images of about 224x224 (He et al. 2016, arXiv 1512.03385, table 1), from 17x17 on.
 *
 * @example models.resnet18()
 */
export const resnet18 = (options: ImageNetResNetOptions = {}): Architecture =>
  imageNetResNet("resnet18", "basic", [2, 2, 2, 2], options);

/** ResNet of 34 layers for images of about 224x224. */
export const resnet34 = (options: ImageNetResNetOptions = {}): Architecture =>
  imageNetResNet("resnet34", "basic", [3, 4, 6, 3], options);

/** ResNet of 50 layers for images of about 224x224. */
export const resnet50 = (options: ImageNetResNetOptions = {}): Architecture =>
  imageNetResNet("resnet50", "bottleneck", [3, 4, 6, 3], options);

/**
 * The networks of the paper's table 1 with two later habits, both torchvision's: every shortcut that changes shape is a 1x1 convolution with batch
 * normalisation (option B), and a bottleneck has its stride in the 3x3 convolution ("v1.5"), not in the first 1x1 one, which would skip
 * three quarters of its input. Weights as in He et al. 2015 (the paper's section 3.4).
 */
function imageNetResNet(
  name: string,
  kind: "basic" | "bottleneck",
  blocks: readonly number[],
  { width = 64 }: ImageNetResNetOptions,
): Architecture {
  requireCount(name, "width", width);
  const block = kind === "basic" ? basicBlock : bottleneckBlock;
  return {
    name,
    settings: { width },
    kind: "image",
    build(input) {
      // Five halvings: from 17 pixels on, the last one still has 2x2 positions to halve.
      requireImage(name, input.shape, 17);
      const net = new Network(input);
      const { b } = net;
      let x = net.convolution("stem.conv", net.input, width, { kernel: 7, stride: 2 });
      x = b.relu(net.batchNormalization("stem.bn", x));
      x = b.op("MaxPool", [x], { kernel_shape: ints([3, 3]), strides: ints([2, 2]), pads: ints([1, 1, 1, 1]) });
      blocks.forEach((count, stage) => {
        for (let index = 0; index < count; index++) {
          const stride = stage > 0 && index === 0 ? 2 : 1;
          x = block(net, `stage${stage + 1}.block${index + 1}`, x, width * 2 ** stage, stride);
        }
      });
      return net.finish(name, net.classifier(net.globalAverage(x), input.classes, input.head));
    },
  };
}

/** relu(bn(conv(relu(bn(conv(x))))) + shortcut(x)). x: [batch, any, height, width]; returns [batch, channels, height / stride, width / stride] */
export function basicBlock(net: Network, name: string, x: Value, channels: number, stride: number): Value {
  const { b } = net;
  let y = net.convolution(`${name}.conv1`, x, channels, { stride });
  y = b.relu(net.batchNormalization(`${name}.bn1`, y));
  y = net.batchNormalization(`${name}.bn2`, net.convolution(`${name}.conv2`, y, channels));
  return b.relu(b.plus(y, shortcut(net, name, x, channels, stride)));
}

/** 1x1 to `channels`, 3x3, 1x1 to 4 `channels`, and the shortcut. */
function bottleneckBlock(net: Network, name: string, x: Value, channels: number, stride: number): Value {
  const { b } = net;
  let y = net.convolution(`${name}.conv1`, x, channels, { kernel: 1 });
  y = b.relu(net.batchNormalization(`${name}.bn1`, y));
  y = net.convolution(`${name}.conv2`, y, channels, { stride });
  y = b.relu(net.batchNormalization(`${name}.bn2`, y));
  y = net.batchNormalization(`${name}.bn3`, net.convolution(`${name}.conv3`, y, 4 * channels, { kernel: 1 }));
  return b.relu(b.plus(y, shortcut(net, name, x, 4 * channels, stride)));
}

function shortcut(net: Network, name: string, x: Value, channels: number, stride: number): Value {
  if (stride === 1 && x.shape[1] === channels) return x;
  const y = net.convolution(`${name}.shortcut.conv`, x, channels, { kernel: 1, stride });
  return net.batchNormalization(`${name}.shortcut.bn`, y);
}
