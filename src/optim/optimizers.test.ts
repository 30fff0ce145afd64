import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../graph/index.js";
import { compile, relativeDifference, tensor } from "../method/testing/run.js";
import { adam, type Optimizer, sgd, updateWeight } from "./index.js";

const figures = JSON.parse(readFileSync(new URL("../../test/fixtures/optim/optim.json", import.meta.url), "utf8")) as {
  readonly shape: readonly number[];
  readonly start: readonly number[];
  readonly gradients: readonly (readonly number[])[];
  readonly after: Readonly<Record<string, readonly (readonly number[])[]>>;
};

/** The weight after each step of a plain training with given gradients. */
async function train(optimizer: Optimizer, learningRate: number, weightDecay: number): Promise<Float32Array[]> {
  const b = new GraphBuilder();
  const { shape } = figures;
  const slots = optimizer.slots.map((slot) => b.input(slot, "float32", shape));
  const update = updateWeight(b, {
    weight: b.input("weight", "float32", shape),
    gradient: b.input("gradient", "float32", shape),
    slots,
    scalars: new Map(optimizer.scalars.map(({ name }) => [name, b.input(name, "float32", [])])),
    optimizer,
    rule: { kind: "plain", learningRate: b.input("rate", "float32", []), weightDecay },
  });
  b.output("next:weight", update.weight);
  optimizer.slots.forEach((slot, index) => {
    b.output(`next:${slot}`, update.slots[index]!);
  });
  const step = await compile(b.finish("step"));
  const state = new Map(
    ["weight", ...optimizer.slots].map((name) => [
      name,
      tensor(
        shape,
        figures.start.map((start) => (name === "weight" ? start : 0)),
      ),
    ]),
  );
  const after: Float32Array[] = [];
  for (const [index, gradient] of figures.gradients.entries()) {
    const scalars = optimizer.scalars.map(({ name, value }) => [name, tensor([], [value(index)])]);
    const next = await step({
      ...Object.fromEntries([...state, ...scalars]),
      gradient: tensor(shape, gradient),
      rate: tensor([], [learningRate]),
    });
    for (const name of state.keys()) state.set(name, tensor(shape, next[`next:${name}`]!));
    after.push(next["next:weight"]!);
  }
  return after;
}

describe("agrees with PyTorch after each of six steps", () => {
  it.each([
    ["sgd", sgd({ momentum: 0 }), 0.1, 0],
    ["sgd momentum", sgd(), 0.1, 0],
    ["sgd nesterov", sgd({ nesterov: true }), 0.1, 0],
    ["sgd momentum decay", sgd(), 0.1, 0.05],
    ["adam", adam({ beta1: 0.8, beta2: 0.99 }), 0.01, 0],
    ["adamw decay", adam(), 0.01, 0.1],
  ] as const)("%s", async (name, optimizer, learningRate, weightDecay) => {
    const after = await train(optimizer, learningRate, weightDecay);
    after.forEach((weight, step) => {
      // PyTorch's figures are float64; six steps in float32 add up to some ten roundings of 6e-8.
      expect(relativeDifference(weight, figures.after[name]![step]!), `step ${step}`).toBeLessThan(1e-6);
    });
  });
});

describe("Adam's scalars", () => {
  it("undo the bias of means that start at zero", () => {
    const optimizer = adam({ beta1: 0.9, beta2: 0.99 });
    const values = (step: number) => optimizer.scalars.map(({ value }) => value(step));
    expect(values(0)[0]).toBeCloseTo(10, 10);
    expect(values(0)[1]).toBeCloseTo(100, 10);
    expect(values(1)[0]).toBeCloseTo(1 / (1 - 0.81), 12);
    expect(values(1e6)).toEqual([1, 1]);
  });
});

it.each([
  ["momentum", () => sgd({ momentum: 1 })],
  ["Nesterov without momentum", () => sgd({ momentum: 0, nesterov: true })],
  ["beta1", () => adam({ beta1: -0.1 })],
  ["beta2", () => adam({ beta2: 1 })],
  ["epsilon", () => adam({ epsilon: 0 })],
])("refuses a wrong %s", (_, make) => {
  expect(make).toThrow(expect.objectContaining({ code: "ISO_ARGUMENT" }));
});

it("declares what it remembers", () => {
  expect(sgd().slots).toEqual(["momentum"]);
  expect(sgd({ momentum: 0 }).slots).toEqual([]);
  expect(adam().slots).toEqual(["mean", "square"]);
});
