import { basicBlock } from "./imageNetResnet.js";
import { type Architecture, Network } from "./network.js";
import { requireCount, requireImage } from "./requirements.js";

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
  requireCount(name, "width", width);
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
      return net.finish(name, net.classifier(net.globalAverage(x), input.classes, input.head));
    },
  };
}
