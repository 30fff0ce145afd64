import { describe, expect, it } from "vitest";
import type { WeightProof } from "../method/index.js";
import { groupWeights } from "./weightGroups.js";

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
const members = (groups: ReturnType<typeof groupWeights>) => groups.map(({ name, weights }) => [name, weights]);

describe("weights", () => {
  it("are updated as one where they are small and keep no norm, apart by their learning rates", () => {
    expect(members(groupWeights(proofs, "tensor", new Set()))).toEqual([
      ["conv", ["conv"]],
      ["table", ["table"]],
      ["small weights", ["scale", "bias", "old scale"]],
    ]);
    const groups = groupWeights(proofs, "tensor", new Set(["old scale", "conv"]));
    expect(members(groups)).toEqual([
      ["conv", ["conv"]],
      ["table", ["table"]],
      ["small weights", ["scale", "bias"]],
      ["old scale", ["old scale"]],
    ]);
    expect(groups.map(({ pretrained }) => pretrained)).toEqual([true, false, false, true]);
    expect(members(groupWeights(proofs, "none", new Set()))).toEqual([
      ["table", ["table"]],
      ["small weights", ["scale", "conv", "bias", "old scale"]],
    ]);
  });

  it("keep their norm by the granularity that the proof allows", () => {
    const kept = (of: WeightProof, asked: "tensor" | "channel" | "none") =>
      groupWeights([of], asked, new Set())[0]!.kept;
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
