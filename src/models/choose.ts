import { IsonormError } from "../errors.js";
import { convnet } from "./convnet.js";
import { efficientnetB0 } from "./efficientNet.js";
import { resnet18, resnet34, resnet50 } from "./imageNetResnet.js";
import { mlp } from "./mlp.js";
import { mobilenetV2 } from "./mobileNet.js";
import type { Architecture } from "./network.js";
import { resnet20, resnet32, resnet56 } from "./resnet.js";
import { vitTiny } from "./vit.js";

/** Options that the command line and run.json know for built-in models; each model has some of them. */
export interface ArchitectureOptions {
  /** Channels of the first stage; for MobileNetV2 and EfficientNet a multiplier of all channels. */
  readonly width?: number | undefined;
  readonly hidden?: readonly number[] | undefined;
  readonly dropout?: number | undefined;
  readonly dropPath?: number | undefined;
  readonly patch?: number | undefined;
  readonly dim?: number | undefined;
  readonly depth?: number | undefined;
  readonly heads?: number | undefined;
}

type OptionName = keyof ArchitectureOptions;
type GivenOptions = { readonly [Name in OptionName]?: NonNullable<ArchitectureOptions[Name]> };

interface BuiltIn {
  readonly options: readonly OptionName[];
  make(options: GivenOptions): Architecture;
}

const byName: Readonly<Record<string, BuiltIn>> = {
  mlp: { options: ["hidden"], make: mlp },
  convnet: { options: ["width"], make: convnet },
  resnet20: { options: ["width"], make: resnet20 },
  resnet32: { options: ["width"], make: resnet32 },
  resnet56: { options: ["width"], make: resnet56 },
  resnet18: { options: ["width"], make: resnet18 },
  resnet34: { options: ["width"], make: resnet34 },
  resnet50: { options: ["width"], make: resnet50 },
  mobilenetv2: { options: ["width", "dropout"], make: mobilenetV2 },
  "efficientnet-b0": { options: ["width", "dropout", "dropPath"], make: efficientnetB0 },
  "vit-tiny": { options: ["patch", "dim", "depth", "heads", "dropout", "dropPath"], make: vitTiny },
};

export const architectureNames: readonly string[] = Object.keys(byName);

/** The names of {@link ArchitectureOptions}. */
export const architectureOptionNames = [
  "width",
  "hidden",
  "dropout",
  "dropPath",
  "patch",
  "dim",
  "depth",
  "heads",
] as const satisfies readonly OptionName[];

/** The built-in model of that name. Throws ISO_MODEL_UNKNOWN; ISO_ARGUMENT for an option that it does not have, or a wrong value. */
export function architecture(name: string, options: ArchitectureOptions = {}): Architecture {
  const builtIn = Object.hasOwn(byName, name) ? byName[name] : undefined;
  if (!builtIn)
    throw new IsonormError(
      "ISO_MODEL_UNKNOWN",
      `no built-in model is named "${name}"`,
      `Use one of ${architectureNames.join(", ")}, or the path of an .onnx file`,
    );
  const given = Object.fromEntries(
    architectureOptionNames.flatMap((option) => (options[option] === undefined ? [] : [[option, options[option]]])),
  ) as GivenOptions;
  const foreign = Object.keys(given).filter((option) => !builtIn.options.includes(option as OptionName));
  if (foreign.length > 0)
    throw new IsonormError(
      "ISO_ARGUMENT",
      `the model ${name} has no option ${foreign.join(" and no ")}`,
      `It has ${builtIn.options.join(", ")}`,
    );
  return builtIn.make(given);
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
