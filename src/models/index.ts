export { type ArchitectureOptions, architecture, architectureNames, defaultArchitecture } from "./choose.js";
export { convnet } from "./convnet.js";
export { mlp } from "./mlp.js";
export type { Architecture, HeadSettings, NetworkInput } from "./network.js";
export { type ResNetOptions, resnet20, resnet32, resnet56 } from "./resnet.js";
