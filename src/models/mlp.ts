import { int } from "../onnx/types.js";
import { type Architecture, Network } from "./network.js";

/**
 * Multi-layer perceptron: linear, batch normalisation, ReLU for each hidden layer, then the scale-invariant classifier.
 * Takes tables and, flattened, images.
 *
 * @param options.hidden - width of each hidden layer; default [128, 128]
 * @example models.mlp({ hidden: [256, 256] })
 */
export function mlp({ hidden = [128, 128] }: { hidden?: readonly number[] } = {}): Architecture {
  return {
    name: "mlp",
    settings: { hidden },
    kind: "any",
    build(input) {
      const net = new Network(input);
      const { b } = net;
      let x = net.input;
      if (input.shape.length > 1) x = b.op("Flatten", [x], { axis: int(1) });
      hidden.forEach((width, index) => {
        x = net.linear(`layer${index + 1}.linear`, x, width);
        x = b.relu(net.batchNormalization(`layer${index + 1}.bn`, x));
      });
      return net.finish("mlp", net.classifier(x, input.classes, input.head));
    },
  };
}
