import { describe, expect, it } from "vitest";
import { differentiate } from "../autodiff/index.js";
import { GraphBuilder, type Value } from "../graph/index.js";
import {
  type BaseRule,
  type Granularity,
  layerLearningRate,
  measureNorm,
  norms,
  scaleInvariantLinear,
} from "../method/index.js";
import {
  compile,
  type FloatTensor,
  randomTensor,
  relativeDifference,
  run,
  scaled,
  tensor,
} from "../method/testing/run.js";
import { int } from "../onnx/types.js";
import { adam, type FixedNormRule, movingAverage, type Optimizer, type PlainRule, sgd, updateWeight } from "./index.js";

const shape = [3, 4];
const start = randomTensor(shape, 1);
const gradients = [2, 3, 4, 5].map((seed) => randomTensor(shape, seed));

interface Setting {
  readonly optimizer: Optimizer;
  readonly baseRule: BaseRule;
  readonly granularity: Granularity;
  readonly elr: number;
}

/** The update as a function of weight, slots and gradient; each output is named as the input that it replaces. */
async function compileUpdate({ optimizer, baseRule, granularity, elr }: Setting, first: FloatTensor) {
  const b = new GraphBuilder();
  const norm0 = b.constant(measureNorm("w", first, granularity));
  const update = updateWeight(b, {
    weight: b.input("weight", "float32", shape),
    gradient: b.input("gradient", "float32", shape),
    slots: optimizer.slots.map((slot) => b.input(slot, "float32", shape)),
    scalars: new Map(optimizer.scalars.map(({ name }) => [name, b.input(name, "float32", [])])),
    optimizer,
    rule: {
      kind: "fixedNorm",
      norm0,
      granularity,
      baseRule,
      learningRate: layerLearningRate(b, baseRule, b.scalar(elr), norm0),
    },
  });
  b.output("next:weight", update.weight);
  for (const [index, slot] of optimizer.slots.entries()) b.output(`next:${slot}`, update.slots[index]!);
  b.output("health", b.op("Sum", update.health));
  return compile(b.finish("update"));
}

/** The same four steps in float64, written from the equations. */
function closedForm({ optimizer, baseRule, granularity, elr }: Setting): number[][] {
  const {
    momentum = 0,
    nesterov = false,
    beta1 = 0,
    beta2 = 0,
    epsilon = 0,
  } = optimizer.settings as Record<string, number>;
  const groups = granularity === "tensor" ? [[0, 12]] : [0, 1, 2].map((row) => [row * 4, row * 4 + 4]);
  const length = (numbers: readonly number[]) => Math.sqrt(numbers.reduce((sum, number) => sum + number * number, 0));
  let weight = Array.from(start.data);
  const m = weight.map(() => 0);
  const v = weight.map(() => 0);
  return gradients.map((gradient, step) => {
    const u = Array.from(gradient.data, (g, i) => {
      if (optimizer.name === "sgd") {
        m[i] = momentum * m[i]! + g;
        return nesterov ? g + momentum * m[i]! : m[i]!;
      }
      m[i] = beta1 * m[i]! + (1 - beta1) * g;
      v[i] = beta2 * v[i]! + (1 - beta2) * g * g;
      return m[i]! / (1 - beta1 ** (step + 1)) / (Math.sqrt(v[i]! / (1 - beta2 ** (step + 1))) + epsilon);
    });
    weight = groups.flatMap(([from, to]) => {
      const n = length(Array.from(start.data).slice(from, to));
      const direction = u.slice(from, to);
      const rate = baseRule === "sgd" ? elr * n * n : (elr * n) / length(direction);
      const stepped = weight.slice(from, to).map((w, i) => w - rate * direction[i]!);
      return stepped.map((w) => (w / length(stepped)) * n);
    });
    return weight;
  });
}

const settings: readonly (Setting & { name: string })[] = (["tensor", "channel"] as const).flatMap((granularity) => [
  { name: `sgd, ${granularity}`, optimizer: sgd(), baseRule: "sgd", granularity, elr: 0.05 },
  { name: `nesterov, ${granularity}`, optimizer: sgd({ nesterov: true }), baseRule: "sgd", granularity, elr: 0.05 },
  {
    name: `sgd without momentum, ${granularity}`,
    optimizer: sgd({ momentum: 0 }),
    baseRule: "sgd",
    granularity,
    elr: 0.05,
  },
  { name: `angular sgd, ${granularity}`, optimizer: sgd(), baseRule: "angular", granularity, elr: 0.1 },
  { name: `angular adam, ${granularity}`, optimizer: adam(), baseRule: "angular", granularity, elr: 0.1 },
]);

describe.each(settings)("fixed-norm update: $name", (setting) => {
  it("follows the equations for four steps and keeps its norms", async () => {
    const step = await compileUpdate(setting, start);
    const { optimizer, granularity } = setting;
    let state: Record<string, FloatTensor> = Object.fromEntries(
      ["weight", ...optimizer.slots].map((name) => [name, name === "weight" ? start : scaled(start, 0)]),
    );
    for (const [index, expected] of closedForm(setting).entries()) {
      const scalars = Object.fromEntries(
        optimizer.scalars.map(({ name, value }) => [name, tensor([], [value(index)])]),
      );
      const next = await step({ ...state, ...scalars, gradient: gradients[index]! });
      state = Object.fromEntries(Object.keys(state).map((name) => [name, tensor(shape, next[`next:${name}`]!)]));
      // Some ten float32 roundings a step.
      expect(relativeDifference(state.weight!.data, expected), `step ${index}`).toBeLessThan(3e-6);
      expect(Number.isFinite(next.health![0])).toBe(true);
    }
    const axis = granularity === "channel" ? 0 : undefined;
    expect(relativeDifference(norms(state.weight!, axis), norms(start, axis))).toBeLessThan(1e-6);
  });
});

describe("effective learning rate", () => {
  /** Directions of a scale-invariant classifier after 20 steps of its own training, started from c W_0. */
  async function trained(c: number, setting: Setting): Promise<Float32Array> {
    const [batch, features, classes] = [16, 4, 3];
    const b = new GraphBuilder();
    const weight = b.input("weight", "float32", [classes, features]);
    const x = b.constant(randomTensor([batch, features], 8));
    const logits = scaleInvariantLinear(b, x, weight, {
      scale: 6,
      norm: setting.granularity === "channel" ? "row" : "tensor",
    });
    const labels = tensor(
      [batch, classes],
      Array.from({ length: batch * classes }, (_, i) =>
        Math.floor(i / classes) % classes === i % classes ? 1 / batch : 0,
      ),
    );
    const loss = b.negative(b.sum(b.times(b.constant(labels), b.op("LogSoftmax", [logits], { axis: int(1) }))));
    const [gradient] = differentiate(b, loss, [weight]);
    const { optimizer, baseRule, granularity, elr } = setting;
    const first = scaled(randomTensor([classes, features], 9), c);
    const slots = optimizer.slots.map((slot) => b.input(slot, "float32", weight.shape));
    const norm0 = b.constant(measureNorm("w", first, granularity));
    const update = updateWeight(b, {
      weight,
      gradient: gradient!,
      slots,
      scalars: new Map(optimizer.scalars.map(({ name, value }) => [name, b.scalar(value(1000))])),
      optimizer,
      rule: {
        kind: "fixedNorm",
        norm0,
        granularity,
        baseRule,
        learningRate: layerLearningRate(b, baseRule, b.scalar(elr), norm0),
      },
    });
    b.output("next:weight", update.weight);
    for (const [index, slot] of optimizer.slots.entries()) b.output(`next:${slot}`, update.slots[index]!);
    const step = await compile(b.finish("training"));
    let state: Record<string, FloatTensor> = Object.fromEntries(
      ["weight", ...optimizer.slots].map((name) => [name, name === "weight" ? first : scaled(first, 0)]),
    );
    for (let index = 0; index < 20; index++) {
      const next = await step(state);
      state = Object.fromEntries(Object.keys(state).map((name) => [name, tensor(weight.shape, next[`next:${name}`]!)]));
    }
    expect(relativeDifference(state.weight!.data, first.data)).toBeGreaterThan(0.05);
    return scaled(state.weight!, 1 / norms(state.weight!)[0]!).data;
  }

  it.each(settings.filter(({ name }) => !name.includes("nesterov")))(
    "moves the direction alike whatever the first norm: $name",
    async (setting) => {
      const one = await trained(1, setting);
      for (const c of [2, 100, 0.01]) {
        // Adam's epsilon of 1e-8 beside gradients that grow as 1 / c is what keeps it from being exact there.
        const tolerance = setting.optimizer.name === "adam" ? 1e-3 : 1e-5;
        expect(relativeDifference(await trained(c, setting), one), `times ${c}`).toBeLessThan(tolerance);
      }
    },
  );

  it("of base rule sgd is refused for Adam", () => {
    const b = new GraphBuilder();
    const weight = b.input("w", "float32", shape);
    const scalar = b.scalar(1);
    const optimizer = adam();
    const build = () =>
      updateWeight(b, {
        weight,
        gradient: weight,
        slots: [weight, weight],
        scalars: new Map(optimizer.scalars.map(({ name }) => [name, scalar])),
        optimizer,
        rule: {
          kind: "fixedNorm",
          norm0: scalar,
          granularity: "tensor",
          baseRule: "sgd",
          learningRate: scalar,
        },
      });
    expect(build).toThrow(expect.objectContaining({ code: "ISO_ARGUMENT" }));
  });
});

it("weights in one vector take the steps that each takes alone", async () => {
  const [plain, kept, other] = [randomTensor([5], 21), randomTensor([3, 2], 22), scaled(randomTensor([7], 23), 3)];
  const all = [plain, kept, other];
  const optimizer = sgd();
  const b = new GraphBuilder();
  const [elr, lr] = [b.scalar(0.05), b.scalar(0.1)];
  const scalars = new Map<string, Value>();
  const flat = (tensors: readonly FloatTensor[]) => {
    const data = tensors.flatMap(({ data }) => [...data]);
    return tensor([data.length], data);
  };
  const rules = all.map((weight, index): FixedNormRule | PlainRule => {
    if (index === 0) return { kind: "plain", learningRate: lr };
    const norm0 = b.constant(measureNorm("w", weight));
    const learningRate = layerLearningRate(b, "sgd", elr, norm0);
    return { kind: "fixedNorm", norm0, granularity: "tensor", baseRule: "sgd", learningRate };
  });
  const names = ["weight", "gradient", "momentum"] as const;
  const values = (suffix: string, shape: readonly number[]) => {
    const [weight, gradient, momentum] = names.map((name) => b.input(name + suffix, "float32", shape)) as [
      Value,
      Value,
      Value,
    ];
    return { weight, gradient, slots: [momentum], scalars, optimizer };
  };
  const feeds: Record<string, FloatTensor> = {};
  const feed = (suffix: string, weights: readonly FloatTensor[]) =>
    names.forEach((name, index) => {
      feeds[name + suffix] = flat(weights.map((weight) => scaled(weight, [1, 0.3, -0.2][index]!)));
    });
  const parts = all.map(({ data }, index) => ({ size: data.length, rule: rules[index]! }));
  const joint = updateWeight(b, { ...values("", [18]), rule: { kind: "joint", parts } });
  feed("", all);
  b.output("joint", joint.weight);
  b.output("slots", joint.slots[0]!);
  for (const [index, weight] of all.entries()) {
    const single = updateWeight(b, { ...values(`${index}`, [weight.data.length]), rule: rules[index]! });
    feed(`${index}`, [weight]);
    b.output(`weight of ${index}`, single.weight);
    b.output(`slot of ${index}`, single.slots[0]!);
  }
  const average = movingAverage(b, b.value("weight"), joint.weight, b.scalar(0.1), { kind: "joint", parts });
  b.output("average", average);
  const outputs = await run(b, feeds);
  const of = (what: string) => all.flatMap((_, index) => [...outputs[`${what} of ${index}`]!]);
  expect([...outputs.joint!]).toEqual(of("weight"));
  expect([...outputs.slots!]).toEqual(of("slot"));
  // The plain part is shorter on average than its ends; the others keep their norms.
  const ends = [0, 5, 11, 18];
  for (const [index, weight] of all.entries()) {
    const norm = norms(tensor([weight.data.length], outputs.average!.slice(ends[index], ends[index + 1])))[0]!;
    if (index === 0) expect(norm).not.toBeCloseTo(norms(weight)[0]!, 3);
    else expect(norm).toBeCloseTo(norms(weight)[0]!, 5);
  }
  expect(() =>
    updateWeight(b, {
      ...values("refused", [5]),
      rule: { kind: "joint", parts: [{ size: 5, rule: { kind: "plain", learningRate: lr, weightDecay: 0.1 } }] },
    }),
  ).toThrow(/weight decay is 0.1 among weights that keep their norms/);
});

describe("health", () => {
  const finite = scaled(start, 0);
  const bad = (number: number) =>
    tensor(
      shape,
      start.data.map((element, index) => (index === 5 ? number : element)),
    );
  const kinds: readonly Setting[] = [
    { optimizer: sgd(), baseRule: "sgd", granularity: "tensor", elr: 0.1 },
    { optimizer: sgd(), baseRule: "sgd", granularity: "channel", elr: 0.1 },
    { optimizer: sgd(), baseRule: "angular", granularity: "tensor", elr: 0.1 },
    { optimizer: adam(), baseRule: "angular", granularity: "channel", elr: 0.1 },
  ];

  const healthOf = async (setting: Setting, gradient: FloatTensor, weight = start) => {
    const step = await compileUpdate(setting, start);
    const slots = Object.fromEntries(setting.optimizer.slots.map((slot) => [slot, finite]));
    const scalars = Object.fromEntries(
      setting.optimizer.scalars.map(({ name, value }) => [name, tensor([], [value(0)])]),
    );
    return (await step({ weight, gradient, ...slots, ...scalars })).health![0]!;
  };

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    "is not finite where a gradient is %s",
    async (number) => {
      for (const setting of kinds) expect(Number.isFinite(await healthOf(setting, bad(number)))).toBe(false);
    },
  );

  it("is finite where a gradient is zero", async () => {
    for (const setting of kinds) expect(Number.isFinite(await healthOf(setting, finite))).toBe(true);
  });

  it("is not finite where Adam's squares overflow though its direction does not", async () => {
    expect(Number.isFinite(await healthOf(kinds[3]!, bad(1e25)))).toBe(false);
  });

  it("is not finite where the step leaves no weight to project", async () => {
    const weight = tensor(
      shape,
      start.data.map((_, index) => (index === 0 ? 1 : 0)),
    );
    // n = 1 and ELR = 1: W' = W - W.
    const step = await compileUpdate({ ...kinds[0]!, elr: 1 }, weight);
    expect((await step({ weight, gradient: weight, momentum: finite })).health![0]).toBe(Number.POSITIVE_INFINITY);
  });

  it("of a plain update tells NaN and overflow too", async () => {
    const b = new GraphBuilder();
    const update = updateWeight(b, {
      weight: b.input("weight", "float32", shape),
      gradient: b.input("gradient", "float32", shape),
      slots: [],
      scalars: new Map<string, Value>(),
      optimizer: sgd({ momentum: 0 }),
      rule: { kind: "plain", learningRate: b.scalar(1) },
    });
    b.output("health", b.op("Sum", update.health));
    const step = await compile(b.finish("plain"));
    const health = async (gradient: FloatTensor) => (await step({ weight: start, gradient })).health![0];
    expect(await health(bad(Number.NaN))).toBeNaN();
    expect(await health(bad(1e30))).toBe(Number.POSITIVE_INFINITY);
    expect(await health(finite)).toBeCloseTo(norms(start)[0]! ** 2, 5);
  });
});

it("weight decay must not be negative", () => {
  const b = new GraphBuilder();
  const weight = b.input("w", "float32", shape);
  const rule = { kind: "plain" as const, learningRate: b.scalar(1), weightDecay: -1 };
  const input = {
    weight,
    gradient: weight,
    slots: [weight],
    scalars: new Map<string, Value>(),
    optimizer: sgd(),
    rule,
  };
  expect(() => updateWeight(b, input)).toThrow(expect.objectContaining({ code: "ISO_ARGUMENT" }));
});
