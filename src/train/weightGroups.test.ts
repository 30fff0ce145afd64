import { describe, expect, it } from "vitest";
import type { WeightProof } from "../method/index.js";
import { groupNorms, groupWeights } from "./weightGroups.js";

const proof = (name: string, shape: readonly number[], rest: Partial<WeightProof> = {}): WeightProof => ({
  name,
  shape,
  role: "weight",
  scaleInvariant: false,
  reason: "",
  perChannel: false,
  ...rest,
});
const proofs = [
  proof("scale", [64]),
  proof("conv", [64, 3, 3, 3], { scaleInvariant: true, perChannel: true, channelAxis: 0 }),
  proof("bias", [64]),
  proof("table", [4097]),
  proof("old scale", [4096]),
];
const members = (
  groups: readonly { readonly name: string; readonly weights: readonly { readonly name: string }[] }[],
) => groups.map(({ name, weights }) => [name, weights.map((weight) => weight.name)]);

describe("weights", () => {
  it("are updated as one where they are small, apart by their learning rates, those that keep norms last", () => {
    expect(members(groupWeights(proofs, "tensor", new Set(), true))).toEqual([
      ["table", ["table"]],
      ["small weights", ["scale", "bias", "old scale", "conv"]],
    ]);
    const groups = groupWeights(proofs, "tensor", new Set(["old scale", "conv"]), true);
    expect(members(groups)).toEqual([
      ["table", ["table"]],
      ["small weights", ["scale", "bias"]],
      ["small pretrained weights", ["old scale", "conv"]],
    ]);
    expect(groups.map(({ pretrained }) => pretrained)).toEqual([false, false, true]);
  });

  it("are updated by themselves where they have norms by channel, and where they keep norms and state may not lie together", () => {
    const apart = [
      ["conv", ["conv"]],
      ["table", ["table"]],
      ["small weights", ["scale", "bias", "old scale"]],
    ];
    expect(members(groupWeights(proofs, "channel", new Set(), true))).toEqual(apart);
    expect(members(groupWeights(proofs, "tensor", new Set(), false))).toEqual(apart);
    expect(members(groupWeights(proofs, "none", new Set(), false))).toEqual([
      ["table", ["table"]],
      ["small weights", ["scale", "conv", "bias", "old scale"]],
    ]);
  });

  it("keep their norm by the granularity that the proof allows", () => {
    const kept = (of: WeightProof, asked: "tensor" | "channel" | "none") =>
      groupWeights([of], asked, new Set(), true)[0]!.weights[0]!.kept;
    const whole = { granularity: "tensor", channelAxis: 0 };
    const matrices = { axis: 1, parts: [0, 1] };
    expect(kept(proofs[1]!, "tensor")).toEqual(whole);
    expect(kept(proofs[1]!, "channel")).toEqual({ granularity: "channel", channelAxis: 0 });
    expect(kept(proof("w", [4, 4], { scaleInvariant: true }), "channel")).toEqual(whole);
    expect(kept(proof("w", [4, 4], { scaleInvariant: true, matrices }), "tensor")).toEqual({
      granularity: "channel",
      channelAxis: 1,
      parts: [0, 1],
    });
    expect(kept(proofs[0]!, "tensor")).toBeUndefined();
    expect(kept(proofs[1]!, "none")).toBeUndefined();
  });
});

it("norms of weights lie together where each has one number, apart by their learning rates", () => {
  const kept = ["a", "b", "c"].map((name) => proof(name, [100, 100], { scaleInvariant: true }));
  const split = proof("split", [4, 4], { scaleInvariant: true, matrices: { axis: 1, parts: [0, 1] } });
  const scalar = proof("scalar", [], { scaleInvariant: true });
  const of = (together: boolean, old: readonly string[] = []) =>
    members(groupNorms(groupWeights([...kept, split, scalar, ...proofs], "tensor", new Set(old), together), together));
  expect(of(true)).toEqual([
    ["split", ["split"]],
    ["scalar", ["scalar"]],
    ["norms", ["a", "b", "c", "conv"]],
  ]);
  expect(of(true, ["b", "conv"])).toEqual([
    ["split", ["split"]],
    ["scalar", ["scalar"]],
    ["norms", ["a", "c"]],
    ["pretrained norms", ["b", "conv"]],
  ]);
  expect(of(false).every(([, names]) => names!.length === 1)).toBe(true);
});
