import { IsonormError } from "../errors.js";
import { convnet } from "./convnet.js";
import { mlp } from "./mlp.js";
import type { Architecture } from "./network.js";
import { resnet20, resnet32, resnet56 } from "./resnet.js";

/** Options that the command line and run.json know for built-in models. */
export interface ArchitectureOptions {
  readonly width?: number | undefined;
  readonly hidden?: readonly number[] | undefined;
}

const byName: Readonly<Record<string, (options: ArchitectureOptions) => Architecture>> = {
  mlp: ({ hidden }) => mlp(hidden ? { hidden } : {}),
  convnet: ({ width }) => convnet(width ? { width } : {}),
  resnet20: ({ width }) => resnet20(width ? { width } : {}),
  resnet32: ({ width }) => resnet32(width ? { width } : {}),
  resnet56: ({ width }) => resnet56(width ? { width } : {}),
};

export const architectureNames: readonly string[] = Object.keys(byName);

/** The built-in model of that name. Throws ISO_MODEL_UNKNOWN. */
export function architecture(name: string, options: ArchitectureOptions = {}): Architecture {
  const make = Object.hasOwn(byName, name) ? byName[name] : undefined;
  if (!make)
    throw new IsonormError(
      "ISO_MODEL_UNKNOWN",
      `no built-in model is named "${name}"`,
      `Use one of ${architectureNames.join(", ")}, or the path of an .onnx file`,
    );
  return make(options);
}

/**
 * The model for data that the user chose none for: a table gets the MLP; an image under 20 pixels the small convolutional network,
 * which a ResNet's two halvings would leave too little of; any other image ResNet-20.
 *
 * @param shape - of one preprocessed example: [features] or [channels, height, width]
 */
export function defaultArchitecture(shape: readonly number[], options: ArchitectureOptions = {}): Architecture {
  if (shape.length === 1) return architecture("mlp", options);
  const side = Math.min(shape[1]!, shape[2]!);
  if (side < 4) return architecture("mlp", options);
  return architecture(side < 20 ? "convnet" : "resnet20", options);
}
