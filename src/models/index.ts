export { architecture, architectureNames, architectureOptionNames, defaultArchitecture } from "./choose.js";

export { convnet } from "./convnet.js";
export { type EfficientNetOptions, efficientnetB0 } from "./efficientNet.js";
export { type ImageNetResNetOptions, resnet18, resnet34, resnet50 } from "./imageNetResnet.js";
export { mlp } from "./mlp.js";
export { type MobileNetV2Options, mobilenetV2 } from "./mobileNet.js";
export type { Architecture, HeadSettings, NetworkInput } from "./network.js";
export { type ResNetOptions, resnet20, resnet32, resnet56 } from "./resnet.js";
export { type VitOptions, vitTiny } from "./vit.js";
