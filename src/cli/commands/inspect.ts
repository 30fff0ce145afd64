import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { InferenceSession } from "onnxruntime-node";
import { inspectModel } from "../../inspect/index.js";
import { defaultScale } from "../../method/index.js";
import { architecture } from "../../models/index.js";
import type { Model } from "../../onnx/index.js";
import { readModel } from "../../onnx/node/index.js";
import { memoryLimit, runFiles } from "../../run/index.js";
import { count, number, table } from "../format.js";
import { Output } from "../output.js";
import type { RawOptions } from "../trainingOptions.js";

/** `isonorm inspect` */
export async function inspect(source: string, options: RawOptions): Promise<void> {
  const output = new Output({ json: options.json === true });
  const { model, name } = openModel(source);
  const inspection = await inspectModel(
    model,
    (bytes, settings) => InferenceSession.create(bytes, settings),
    memoryLimit(),
  );
  const { weights, parameters, withoutNumbers } = inspection;

  const rows = weights.map((weight) => [
    weight.name,
    weight.shape.join("x") || "scalar",
    number(weight.norm),
    weight.scaleInvariant ? "yes" : "no",
    weight.numbers ? number(weight.numbers.outputChange) : "",
    weight.numbers ? number(weight.numbers.radial) : "",
    weight.reason,
  ]);
  output.say(`${name}: ${count(parameters)} parameters in ${weights.length} tensors`);
  output.say();
  for (const line of table([
    ["weight", "shape", "norm", "scale-invariant", "change by 2W", "<W,dW>", "reason"],
    ...rows,
  ]))
    output.say(line);
  output.say();
  const invariant = weights.filter((weight) => weight.scaleInvariant);
  const share =
    invariant.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0) / Math.max(1, parameters);
  output.say(
    `${invariant.length} of ${weights.length} tensors, ${(100 * share).toFixed(1)} % of the parameters, are scale-invariant`,
  );
  const disagreeing = weights.filter((weight) => weight.agree === false);
  if (withoutNumbers !== undefined) output.warn(`no numerical proof: ${withoutNumbers}`);
  else if (disagreeing.length === 0) output.say("graph analysis and numbers agree on every weight");
  else output.warn(`graph analysis and numbers disagree on ${disagreeing.map((weight) => weight.name).join(", ")}`);

  output.event({
    event: "weights",
    model: name,
    parameters,
    withoutNumbers: withoutNumbers ?? null,
    weights: weights.map(({ numbers, ...weight }) => ({
      ...weight,
      outputChange: numbers?.outputChange ?? null,
      radial: numbers?.radial ?? null,
    })),
  } as { event: string });
}

/** An .onnx file, a run folder's model, or a built-in model with fresh weights for 32x32 colour images (mlp: 64 features). */
function openModel(source: string): { model: Model; name: string } {
  if (!existsSync(source) && !source.endsWith(".onnx")) {
    const classes = 10;
    const built = architecture(source);
    const shape = built.kind === "image" ? [3, 32, 32] : [64];
    const head = { scale: defaultScale(classes), norm: "tensor", features: "raw" } as const;
    return {
      model: built.build({ shape, classes, seed: 0, head }),
      name: `${source}, fresh, input [${shape}], ${classes} classes`,
    };
  }
  const path = existsSync(source) && statSync(source).isDirectory() ? join(source, runFiles.model) : source;
  return { model: readModel(path), name: path };
}
