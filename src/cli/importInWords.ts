import type { TrainingEvent } from "../run/index.js";
import { count } from "./format.js";

/** What became of a model from a file, in lines of text. */
export function importInWords(event: Extract<TrainingEvent, { event: "import" }>): readonly string[] {
  const { foldedConvolutions: folded, insertedBatchNormalizations: inserted, trained, weights, features } = event;
  return [
    `${event.file}: ${event.head}`,
    `input: ${[...event.input, `normalised by ${event.normalization}`].join(", ")}`,
    ...(folded > 0
      ? [
          `${folded} convolutions have no normalisation behind them: ${inserted > 0 ? "each got a batch normalisation that leaves what it computes as it was" : "their weights are trained plainly"}`,
        ]
      : []),
    ...(trained < weights
      ? [`${count(trained)} of ${count(weights)} weights are trained, the others stay as they are`]
      : []),
    ...(features === null
      ? []
      : [`the part that stays as it is has been run once: ${count(features)} features an example`]),
  ];
}
