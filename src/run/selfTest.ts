import { inputStatistics, makeDataset, Random } from "../data/core.js";
import { norms } from "../method/index.js";
import { norm0Name, parseTrainSettings } from "../train/index.js";
import type { Device } from "./deviceName.js";
import { prepareTraining } from "./prepare.js";

/** float32 carries 24 bits: the norm of some hundred numbers comes out to a few units in the last place. */
const normTolerance = 1e-5;

/**
 * Compiles a small network with the real pipeline, on data made up here, and takes two training steps: what training needs of this machine.
 *
 * @returns milliseconds that it took
 * @throws ISO_DEVICE_UNAVAILABLE; an Error that says what does not hold: a finite loss, weights that move, norms that stay
 */
export async function selfTest(device: Device = "cpu"): Promise<number> {
  const started = performance.now();
  const data = madeUpData(32);
  const splits = { train: data, validation: data, test: undefined, hash: "", warnings: [] };
  const settings = parseTrainSettings({ model: "mlp", hidden: [8], batchSize: 16, epochs: 1 });
  const prepared = await prepareTraining(splits, inputStatistics(data), settings, 1, { device });
  const { batches, elr, lr } = prepared.plan;
  const runner = await prepared.createRunner();
  const before = await runner.snapshot();
  for (let step = 0; step < 2; step++) {
    const { records, targets } = batches.batch(0, step);
    const { loss, finite } = await runner.run(records, targets, { elr, lr, ...prepared.step.scalars(step) });
    if (!finite) throw new Error(`a training step gave the loss ${loss}`);
  }
  const after = await runner.snapshot();
  await Promise.all([runner.release(), prepared.plan.evaluator.release()]);

  for (const { name, scaleInvariant } of prepared.proofs) {
    const [was, is] = [before.get(name)!, after.get(name)!];
    if (is.data.every((value, index) => value === was.data[index]))
      throw new Error(`two training steps did not change the weight ${name}`);
    if (!scaleInvariant) continue;
    const norm = norms(is)[0]!;
    const norm0 = Number(after.get(norm0Name(name))!.data[0]);
    if (!(Math.abs(norm / norm0 - 1) <= normTolerance))
      throw new Error(`the norm of ${name} went from ${norm0} to ${norm}, although it is fixed`);
  }
  return performance.now() - started;
}

/** Four columns of normal numbers; the class is the sign of the first. */
function madeUpData(size: number) {
  const random = new Random("self-test");
  const records = Float32Array.from({ length: 4 * size }, () => random.normal());
  const labels = Array.from({ length: size }, (_, example) => (records[4 * example]! > 0 ? 1 : 0));
  const input = { kind: "table", numeric: ["a", "b", "c", "d"], categorical: [] } as const;
  return makeDataset({ records, labels, classes: ["negative", "positive"], input });
}
