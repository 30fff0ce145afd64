import { IsonormError } from "../errors.js";
import type { Value } from "../graph/index.js";
import { int } from "../onnx/types.js";
import { type Architecture, Network } from "./network.js";

/** Channels of the first stage; default 16. */
export interface ResNetOptions {
  readonly width?: number;
}

/** ResNet of 20 layers for small images (He et al. 2016, arXiv 1512.03385, section 4.2). @example models.resnet20({ width: 16 }) */
export const resnet20 = (options: ResNetOptions = {}): Architecture => smallImageResNet("resnet20", 3, options);

/** ResNet of 32 layers for small images. */
export const resnet32 = (options: ResNetOptions = {}): Architecture => smallImageResNet("resnet32", 5, options);

/** ResNet of 56 layers for small images. */
export const resnet56 = (options: ResNetOptions = {}): Architecture => smallImageResNet("resnet56", 9, options);

/**
 * Three stages of `blocks` basic blocks; width and stride as in the paper. Where a block changes the shape, its shortcut is a 1x1
 * convolution with batch normalisation (the paper's option B).
 */
function smallImageResNet(name: string, blocks: number, { width = 16 }: ResNetOptions): Architecture {
  return {
    name,
    settings: { width },
    kind: "image",
    build(input) {
      requireImage(name, input.shape, 8);
      const net = new Network(input);
      const { b } = net;
      let x = b.relu(net.batchNormalization("stem.bn", net.convolution("stem.conv", net.input, width)));
      for (let stage = 0; stage < 3; stage++)
        for (let block = 0; block < blocks; block++)
          x = basicBlock(
            net,
            `stage${stage + 1}.block${block + 1}`,
            x,
            width * 2 ** stage,
            stage > 0 && block === 0 ? 2 : 1,
          );
      x = b.op("Flatten", [b.op("GlobalAveragePool", [x])], { axis: int(1) });
      return net.finish(name, net.classifier(x, input.classes, input.head));
    },
  };
}

/** relu(bn(conv(relu(bn(conv(x))))) + shortcut(x)) */
function basicBlock(net: Network, name: string, x: Value, channels: number, stride: number): Value {
  const { b } = net;
  let y = net.convolution(`${name}.conv1`, x, channels, { stride });
  y = b.relu(net.batchNormalization(`${name}.bn1`, y));
  y = net.batchNormalization(`${name}.bn2`, net.convolution(`${name}.conv2`, y, channels));
  const same = stride === 1 && x.shape[1] === channels;
  const shortcut = same
    ? x
    : net.batchNormalization(
        `${name}.shortcut.bn`,
        net.convolution(`${name}.shortcut.conv`, x, channels, { kernel: 1, stride }),
      );
  return b.relu(b.plus(y, shortcut));
}

/** Throws ISO_MODEL_UNSUITABLE unless `shape` is [channels, height, width] with both sides at least `smallest` pixels. */
export function requireImage(model: string, shape: readonly number[], smallest: number): void {
  if (shape.length !== 3)
    throw new IsonormError(
      "ISO_MODEL_UNSUITABLE",
      `${model} takes images, but an example of this data has shape [${shape}]`,
      "Use --model mlp for tables",
    );
  if (shape[1]! < smallest || shape[2]! < smallest)
    throw new IsonormError(
      "ISO_MODEL_UNSUITABLE",
      `${model} needs images of at least ${smallest}x${smallest} pixels, but these have ${shape[1]}x${shape[2]}`,
      "Use --model mlp or --model convnet, or a larger --image-size",
    );
}
