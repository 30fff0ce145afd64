import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import type { TableDescription, TableStatistics } from "../src/data/index.js";
import { analyseScaleInvariance, type Granularity, measureNorm } from "../src/method/index.js";
import { randomTensor, relativeDifference } from "../src/method/testing/run.js";
import { Network } from "../src/models/network.js";
import { encode, type Model } from "../src/onnx/index.js";
import { sgd } from "../src/optim/index.js";
import { type CompiledStep, compileStep, norm0Name, StepRunner, slotName } from "../src/train/index.js";

// The whole compiled step against the same step written out by hand in float64: standardised columns, two layers without batch
// normalisation, cross-entropy, clipping, momentum, ELR n^2, projection.

const [batch, columns, hidden, classes, steps] = [8, 5, 6, 3, 3];
const [scale, momentum, elr, lr] = [4, 0.9, 2 ** -4, 0.05];

interface Setting {
  readonly name: string;
  /** A bias in the first layer, after which its weight is not scale-invariant: it takes the plain step. */
  readonly bias: boolean;
  /** Unit features make the first layer's weight, without a bias, scale-invariant. */
  readonly features: "raw" | "unit";
  readonly norm: "tensor" | "row";
  readonly granularity: Granularity | "none";
  readonly nesterov?: boolean;
  readonly clip?: number;
  readonly weightDecay?: number;
}

const settings: readonly Setting[] = [
  { name: "a plain first layer", bias: true, features: "raw", norm: "tensor", granularity: "tensor" },
  { name: "both layers fixed", bias: false, features: "unit", norm: "tensor", granularity: "tensor" },
  { name: "norms by channel", bias: false, features: "unit", norm: "row", granularity: "channel" },
  { name: "Nesterov", bias: true, features: "raw", norm: "tensor", granularity: "tensor", nesterov: true },
  { name: "clipping", bias: true, features: "raw", norm: "tensor", granularity: "tensor", clip: 0.3 },
  { name: "weight decay", bias: true, features: "raw", norm: "tensor", granularity: "none", weightDecay: 0.1 },
];

const input: TableDescription = {
  kind: "table",
  numeric: Array.from({ length: columns }, (_, column) => `c${column}`),
  categorical: [],
};
const statistics: TableStatistics = {
  kind: "table",
  // The third column's deviation is below a third of its range, which then divides it.
  numeric: input.numeric.map((_, column) => ({
    mean: 0.2 * column,
    std: 0.5 + 0.1 * column,
    range: column === 2 ? 3 : 1,
    missing: false,
  })),
};
const weights = { w1: randomTensor([hidden, columns], 1), b1: randomTensor([hidden], 2) };

function network({ bias, features, norm }: Setting): Model {
  const net = new Network({ shape: [columns], classes, seed: 1, head: { scale, norm, features } });
  const { b } = net;
  let x = b.op("MatMul", [net.input, b.transpose(b.initializer("w1", weights.w1), [1, 0])]);
  if (bias) x = b.plus(x, b.initializer("b1", weights.b1));
  return net.finish("two layers", net.classifier(b.relu(x), classes, { scale, norm, features }));
}

/** Batches of raw cells and soft targets that do not all sum to 1, as class weights make them. */
const batches = Array.from({ length: steps }, (_, step) => ({
  records: randomTensor([batch, columns], 10 + step).data,
  targets: Float32Array.from({ length: batch * classes }, (_, index) => {
    const [row, column] = [Math.floor(index / classes), index % classes];
    return (row % 2 === 0 ? 1.5 : 0.5) * (column === (row + step) % classes ? 0.8 : 0.1);
  }),
}));

async function compiled(
  setting: Setting,
): Promise<{ step: CompiledStep; model: Model; losses: number[]; after: Map<string, ArrayLike<number>> }> {
  const model = network(setting);
  const step = compileStep(model, {
    input,
    statistics,
    classes,
    batchSize: batch,
    proofs: analyseScaleInvariance(model.graph),
    optimizer: sgd({ momentum, nesterov: setting.nesterov ?? false }),
    fixedNorm: setting.granularity,
    baseRule: "sgd",
    weightDecay: setting.weightDecay ?? 0,
    clip: setting.clip,
    ema: undefined,
    seed: 0,
    target: "cpu",
  });
  const bytes = encode({ ...model, graph: step.graph, opsets: step.opsets });
  const session = await InferenceSession.create(bytes, { intraOpNumThreads: 1 });
  const runner = new StepRunner({ session, Tensor: OrtTensor }, step, new Map());
  const losses: number[] = [];
  for (const { records, targets } of batches) {
    const { loss, finite } = await runner.run(records, targets, { elr, lr });
    expect(finite).toBe(true);
    losses.push(loss);
  }
  const after = new Map([...(await runner.snapshot())].map(([name, { data }]) => [name, data as Float32Array]));
  await runner.release();
  return { step, model, losses, after };
}

const { sqrt, exp, log, max } = Math;
const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
const length = (a: readonly number[]): number => sqrt(dot(a, a));
const rows = (flat: ArrayLike<number>, width: number): number[][] =>
  Array.from({ length: flat.length / width }, (_, row) =>
    Array.from({ length: width }, (_, i) => flat[row * width + i]!),
  );
const transposed = (m: readonly number[][]): number[][] => m[0]!.map((_, i) => m.map((row) => row[i]!));

/** Loss and gradients by hand. */
function lossAndGradients(
  { features, norm }: Setting,
  state: ReadonlyMap<string, number[]>,
  { records, targets }: (typeof batches)[number],
): { loss: number; gradients: Map<string, number[]> } {
  const [w1, w2] = [rows(state.get("w1")!, columns), rows(state.get("classifier.weight")!, hidden)];
  const b1 = state.get("b1") ?? Array<number>(hidden).fill(0);
  const x = rows(records, columns).map((row) =>
    row.map((cell, column) => {
      const { mean, std, range } = statistics.numeric[column]!;
      return (cell - mean) / max(std, range / 3);
    }),
  );
  const t = rows(targets, classes);
  const preactivations = x.map((row) => w1.map((w, j) => dot(w, row) + b1[j]!));
  const activations = preactivations.map((row) => row.map((value) => max(0, value)));
  // The layer's own guard against features that are all zero.
  const sizes = activations.map((a) => sqrt(dot(a, a) + 1e-12));
  const f = features === "unit" ? activations.map((a, i) => a.map((value) => value / sizes[i]!)) : activations;
  const n = norm === "row" ? w2.map(length) : w2.map(() => length(w2.flat()));
  const y = f.map((row) => w2.map((w) => dot(w, row)));
  const z = y.map((row) => row.map((value, k) => (scale * value) / n[k]!));
  const p = z.map((row) => row.map((value) => exp(value) / row.reduce((sum, other) => sum + exp(other), 0)));
  const loss = -t.flatMap((row, i) => row.map((target, k) => target * log(p[i]![k]!))).reduce((a, b) => a + b) / batch;

  // d/dz of -sum_k t_k log p_k is p sum_k t_k - t.
  const dz = p.map((row, i) => row.map((value, k) => (value * t[i]!.reduce((a, b) => a + b) - t[i]![k]!) / batch));
  const dy = dz.map((row) => row.map((value, k) => (value * scale) / n[k]!));
  // z = S y / n also depends on W through n: dn_k = -sum_i dz_ik S y_ik / n_k^2, and dn/dW = W / n.
  const dn = n.map((norm, k) => -dz.reduce((sum, row, i) => sum + (row[k]! * scale * y[i]![k]!) / norm ** 2, 0));
  const whole = dn.reduce((a, b) => a + b);
  const dw2 = w2.map((w, k) =>
    w.map((value, j) => {
      const through = ((norm === "row" ? dn[k]! : whole) * value) / n[k]!;
      return dy.reduce((sum, row, i) => sum + row[k]! * f[i]![j]!, 0) + through;
    }),
  );
  const df = dy.map((row) => transposed(w2).map((w) => dot(w, row)));
  const da =
    features === "unit"
      ? df.map((row, i) => row.map((value, j) => (value - f[i]![j]! * dot(f[i]!, row)) / sizes[i]!))
      : df;
  const dh = da.map((row, i) => row.map((value, j) => (preactivations[i]![j]! > 0 ? value : 0)));
  const gradients = new Map([
    ["w1", transposed(dh).flatMap((row) => transposed(x).map((column) => dot(row, column)))],
    ["classifier.weight", dw2.flat()],
  ]);
  if (state.has("b1"))
    gradients.set(
      "b1",
      transposed(dh).map((row) => row.reduce((a, b) => a + b)),
    );
  return { loss, gradients };
}

/** The training by hand: weights and momenta after the last step, by name. */
function byHand(setting: Setting, initial: ReadonlyMap<string, ArrayLike<number>>) {
  const state = new Map([...initial].map(([name, values]) => [name, Array.from(values)]));
  const momenta = new Map([...state].map(([name, values]) => [name, values.map(() => 0)]));
  const isFixed = (name: string): boolean =>
    setting.granularity !== "none" && (name === "classifier.weight" || (name === "w1" && !setting.bias));
  /**
   * A weight in the groups that have a norm each. Unit features mix the first layer's channels: asked for norms by channel, it still has
   * one.
   */
  const groups = (name: string, values: ArrayLike<number>): number[][] =>
    setting.granularity === "channel" && name === "classifier.weight" ? rows(values, hidden) : [Array.from(values)];
  const norm0 = new Map([...state].map(([name, values]) => [name, groups(name, values).map(length)]));
  const losses: number[] = [];
  for (const batch of batches) {
    const { loss, gradients } = lossAndGradients(setting, state, batch);
    losses.push(loss);
    const whole = length([...gradients.values()].flat());
    const factor = setting.clip === undefined ? 1 : setting.clip / max(whole, setting.clip);
    for (const [name, raw] of gradients) {
      const weight = state.get(name)!;
      const g = raw.map((value, i) => factor * value + (setting.weightDecay ?? 0) * weight[i]!);
      const m = momenta.get(name)!.map((value, i) => momentum * value + g[i]!);
      momenta.set(name, m);
      const u = setting.nesterov ? g.map((value, i) => value + momentum * m[i]!) : m;
      if (!isFixed(name)) {
        state.set(
          name,
          weight.map((value, i) => value - lr * u[i]!),
        );
        continue;
      }
      const directions = groups(name, u);
      const next = groups(name, weight).flatMap((group, index) => {
        const n = norm0.get(name)![index]!;
        const stepped = group.map((value, i) => value - elr * n ** 2 * directions[index]![i]!);
        return stepped.map((value) => (value / length(stepped)) * n);
      });
      state.set(name, next);
    }
  }
  return { state, momenta, losses };
}

describe.each(settings)("three compiled steps are those written out by hand: $name", (setting) => {
  test("losses, weights and momenta", async () => {
    const { step, model, losses, after } = await compiled(setting);
    const names = ["w1", ...(setting.bias ? ["b1"] : []), "classifier.weight"];
    const initial = new Map(names.map((name) => [name, model.graph.initializers.get(name)!.data as Float32Array]));
    const expected = byHand(setting, initial);
    // float32 against float64: some twenty roundings of 6e-8 a step.
    expect(relativeDifference(losses, expected.losses)).toBeLessThan(1e-6);
    for (const name of names) {
      expect(relativeDifference(after.get(name)!, expected.state.get(name)!), name).toBeLessThan(1e-6);
      expect(
        relativeDifference(after.get(slotName(name, "momentum"))!, expected.momenta.get(name)!),
        name,
      ).toBeLessThan(3e-6);
      // They did move.
      expect(relativeDifference(after.get(name)!, initial.get(name)!), name).toBeGreaterThan(1e-3);
    }
    const fixed = step.state.filter(({ role }) => role === "norm0").map(({ weight }) => weight);
    expect(fixed.toSorted()).toEqual(
      setting.granularity === "none" ? [] : setting.bias ? ["classifier.weight"] : ["classifier.weight", "w1"],
    );
    for (const name of fixed) {
      const granularity = name === "w1" ? "tensor" : (setting.granularity as Granularity);
      expect(after.get(norm0Name(name))).toEqual(
        measureNorm(name, model.graph.initializers.get(name)!, granularity).data,
      );
    }
  });
});
