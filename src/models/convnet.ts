import { type Architecture, Network } from "./network.js";
import { requireCount, requireImage } from "./requirements.js";

/**
 * A small convolutional network for small images: three stages of two 3x3 convolutions, each with batch normalisation and ReLU;
 * the width doubles and the resolution halves (stride 2) from stage to stage; global average pooling; scale-invariant classifier.
 *
 * @param options.width - channels of the first stage; default 16
 * @example models.convnet({ width: 32 })
 */
export function convnet({ width = 16 }: { width?: number } = {}): Architecture {
  requireCount("convnet", "width", width);
  return {
    name: "convnet",
    settings: { width },
    kind: "image",
    build(input) {
      requireImage("convnet", input.shape, 4);
      const net = new Network(input);
      const { b } = net;
      let x = net.input;
      for (let stage = 0; stage < 3; stage++)
        for (let layer = 0; layer < 2; layer++) {
          const name = `stage${stage + 1}.layer${layer + 1}`;
          const stride = stage > 0 && layer === 0 ? 2 : 1;
          x = net.convolution(`${name}.conv`, x, width * 2 ** stage, { stride });
          x = b.relu(net.batchNormalization(`${name}.bn`, x));
        }
      return net.finish("convnet", net.classifier(net.globalAverage(x), input.classes, input.head));
    },
  };
}
