import { beforeAll, describe, expect, test } from "vitest";
import type { Splits } from "../src/data/index.js";
import { norms, radialComponent } from "../src/method/index.js";
import type { Tensor } from "../src/onnx/index.js";
import { openDigits, type Prepared, prepare, takeSteps } from "./digits.js";

let splits: Splits;
beforeAll(async () => {
  splits = await openDigits();
});

const settings = [
  { fixedNorm: "tensor", baseRule: "sgd", steps: 10_000 },
  // Of 128 channels each has 1/128 of the tensor's squared norm: at the same ELR steps would be 128 times shorter.
  { fixedNorm: "channel", baseRule: "sgd", elr: 2 ** -1.5, steps: 1_000 },
  { fixedNorm: "tensor", baseRule: "angular", steps: 1_000 },
  { fixedNorm: "channel", baseRule: "angular", steps: 1_000 },
  { fixedNorm: "channel", optimizer: "adam", steps: 500 },
] as const;

// Constant learning rates are the hardest case: the last step is as long as the first.
describe.each(settings)("training on digits at constant rates, %o", ({ steps, ...rest }) => {
  let prepared: Prepared;
  let after: ReadonlyMap<string, Tensor>;
  beforeAll(async () => {
    prepared = await prepare(splits, { ...rest, schedule: "constant" });
    const runner = await prepared.createRunner();
    await takeSteps(prepared, runner, [0, steps]);
    after = await runner.snapshot();
    await runner.release();
    await prepared.plan.evaluator.release();
  });

  test("keeps every norm that it fixes", () => {
    const fixed = prepared.proofs.filter(({ scaleInvariant }) => scaleInvariant);
    expect(fixed.map(({ name }) => name)).toEqual([
      "layer1.linear.weight",
      "layer2.linear.weight",
      "classifier.weight",
    ]);
    for (const { name, perChannel, channelAxis } of fixed) {
      const axis = rest.fixedNorm === "channel" && perChannel ? channelAxis : undefined;
      const norm0 = norms(prepared.network.model.graph.initializers.get(name)!, axis);
      const drift = norms(after.get(name)!, axis).map((norm, index) => Math.abs(norm / norm0[index]! - 1));
      expect(drift).toHaveLength(axis === undefined ? 1 : 128);
      // The bar is 1e-5. Each step starts from Norm_0 anew, so nothing adds up: what is left is the rounding of one projection, 1e-7.
      expect(Math.max(...drift), name).toBeLessThan(1e-6);
    }
  });

  test("turns every weight all the same", () => {
    for (const { name } of prepared.proofs.filter(({ scaleInvariant }) => scaleInvariant)) {
      const [first, last] = [prepared.network.model.graph.initializers.get(name)!, after.get(name)!];
      const cosine = radialComponent(first.data as Float32Array, last.data as Float32Array);
      // By 14 degrees or more.
      expect(cosine, name).toBeLessThan(0.97);
    }
  });
});

test("without the fixed norm the same training drifts", async () => {
  const prepared = await prepare(splits, { fixedNorm: "none", schedule: "constant" });
  const runner = await prepared.createRunner();
  await takeSteps(prepared, runner, [0, 200]);
  const name = "layer1.linear.weight";
  const [norm0] = norms(prepared.network.model.graph.initializers.get(name)!);
  const [norm] = norms((await runner.snapshot()).get(name)!);
  // Steps orthogonal to the weight lengthen it.
  expect(norm! / norm0!).toBeGreaterThan(1.01);
  await runner.release();
  await prepared.plan.evaluator.release();
});
