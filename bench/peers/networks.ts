/**
 * The bench's networks, once for all peers: the same layers, with the same weights by name, as src/models builds for isonorm.
 *
 * T is the peer's tensor. No layer uses up its input.
 */
export interface Layers<T> {
  /** Without bias, padded by (kernel - 1) / 2 on every side. */
  convolution(x: T, weight: string, stride: number): T;
  /** With the batch's own statistics; the running ones are left out. `name`.weight and `name`.bias hold gamma and beta. */
  batchNormalization(x: T, name: string): T;
  relu(x: T): T;
  add(a: T, b: T): T;
  /** Mean over the positions: [batch, channels]. */
  globalAverage(x: T): T;
  /** x W^T, W: [outputs, inputs]. */
  linear(x: T, weight: string): T;
  /** S x W^T / ||W||. */
  classifier(x: T, weight: string): T;
  /** Whether there is a weight of that name. */
  has(weight: string): boolean;
}

type Network = <T>(layers: Layers<T>, x: T) => T;

const resnet20: Network = (layers, input) => {
  const convBn = <T>(on: Layers<T>, x: T, conv: string, bn: string, stride: number): T =>
    on.batchNormalization(on.convolution(x, `${conv}.weight`, stride), bn);
  let x = layers.relu(convBn(layers, input, "stem.conv", "stem.bn", 1));
  for (let stage = 1; stage <= 3; stage++)
    for (let index = 1; index <= 3; index++) {
      const [block, stride] = [`stage${stage}.block${index}`, stage > 1 && index === 1 ? 2 : 1];
      const y = layers.relu(convBn(layers, x, `${block}.conv1`, `${block}.bn1`, stride));
      const shortcut = layers.has(`${block}.shortcut.conv.weight`)
        ? convBn(layers, x, `${block}.shortcut.conv`, `${block}.shortcut.bn`, stride)
        : x;
      x = layers.relu(layers.add(convBn(layers, y, `${block}.conv2`, `${block}.bn2`, 1), shortcut));
    }
  return layers.classifier(layers.globalAverage(x), "classifier.weight");
};

const convnet: Network = (layers, input) => {
  let x = input;
  for (let stage = 1; stage <= 3; stage++)
    for (let index = 1; index <= 2; index++) {
      const layer = `stage${stage}.layer${index}`;
      x = layers.convolution(x, `${layer}.conv.weight`, stage > 1 && index === 1 ? 2 : 1);
      x = layers.relu(layers.batchNormalization(x, `${layer}.bn`));
    }
  return layers.classifier(layers.globalAverage(x), "classifier.weight");
};

const mlp: Network = (layers, input) => {
  let x = input;
  for (let index = 1; layers.has(`layer${index}.linear.weight`); index++) {
    x = layers.linear(x, `layer${index}.linear.weight`);
    x = layers.relu(layers.batchNormalization(x, `layer${index}.bn`));
  }
  return layers.classifier(x, "classifier.weight");
};

export const networks: Readonly<Record<string, Network>> = {
  resnet20,
  resnet20w32: resnet20,
  convnet,
  mlp,
  digits: mlp,
};
