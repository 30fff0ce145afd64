import { arrays, openData, type Splits } from "../data/index.js";
import type { TrainingEvent } from "./events.js";
import type { TrainingJob } from "./job.js";
import { isModelFile, modelImageSize } from "./network.js";

/**
 * Opens a job's data. Its splits depend on the seed that the data settings give, else on the training's.
 *
 * @throws ISO_DATA_..., ISO_ARGUMENT
 */
export async function openJobData(
  { data, arrays: inMemory, settings }: Pick<TrainingJob, "data" | "arrays" | "settings">,
  emit: (event: TrainingEvent) => void,
): Promise<Splits> {
  if (inMemory) return arrays({ ...inMemory, seed: data.seed ?? settings.seed });
  const { path, ...options } = data;
  const size = isModelFile(settings.model) ? modelImageSize(settings.model) : undefined;
  return openData(path, {
    seed: settings.seed,
    ...(size ? { imageSize: size } : {}),
    ...options,
    onProgress: (done, total) => emit({ event: "preparing", what: "data", done, total }),
  });
}

export function closeSplits({ train, validation, test }: Splits): void {
  for (const split of [train, validation, test]) split?.close();
}
