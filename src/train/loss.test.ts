import { expect, it } from "vitest";
import { GraphBuilder } from "../graph/index.js";
import { randomTensor, run, tensor } from "../method/testing/run.js";
import { softmaxCrossEntropy } from "./loss.js";

const [batch, classes] = [5, 4];
const logits = randomTensor([batch, classes], 1);

async function computed(z: typeof logits, targets: typeof logits): Promise<{ loss: number; correct: number }> {
  const b = new GraphBuilder();
  const results = softmaxCrossEntropy(
    b,
    b.input("logits", "float32", z.shape),
    b.input("targets", "float32", targets.shape),
  );
  b.output("loss", results.loss);
  b.output("correct", results.correct);
  const outputs = await run(b, { logits: z, targets });
  return { loss: outputs.loss![0]!, correct: outputs.correct![0]! };
}

it("is the mean over the batch of -sum_k t_k log p_k, for weighted and smoothed targets too", async () => {
  const targets = tensor(
    [batch, classes],
    Array.from({ length: batch * classes }, (_, i) => (i % classes === Math.floor(i / classes) % classes ? 1.7 : 0.05)),
  );
  let [loss, correct] = [0, 0];
  for (let row = 0; row < batch; row++) {
    const z = Array.from(logits.data.subarray(row * classes, (row + 1) * classes));
    const t = Array.from(targets.data.subarray(row * classes, (row + 1) * classes));
    const sum = z.reduce((total, value) => total + Math.exp(value), 0);
    for (const [k, value] of z.entries()) loss -= (t[k]! * (value - Math.log(sum))) / batch;
    if (z.indexOf(Math.max(...z)) === t.indexOf(Math.max(...t))) correct++;
  }
  const found = await computed(logits, targets);
  expect(found.loss).toBeCloseTo(loss, 6);
  expect(found.correct).toBe(correct);
});

it("stays finite where a logit is so low that its probability is zero in float32", async () => {
  const targets = tensor([1, 2], [1, 0]);
  expect((await computed(tensor([1, 2], [-200, 200]), targets)).loss).toBe(400);
});

it("tells of logits that are not finite", async () => {
  const targets = tensor([1, 2], [1, 0]);
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY])
    expect((await computed(tensor([1, 2], [0, bad]), targets)).loss).not.toSatisfy(Number.isFinite);
});
