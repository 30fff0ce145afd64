import { describe, expect, it } from "vitest";
import type { Graph } from "../../onnx/types.js";
import { analyseScaleInvariance, scaleInvariantLinearAttributes } from "../index.js";
import { Net } from "../testing/net.js";
import { tensor } from "../testing/run.js";

describe("the words of a proof", () => {
  const reasonOf = (build: (net: Net) => Graph, name: string) =>
    analyseScaleInvariance(build(new Net())).find((proof) => proof.name === name)!.reason;

  it("name the normalisation and the way to it", () => {
    const direct = (net: Net) => net.finish(net.bn("bn1", net.conv("conv1", net.image())));
    expect(reasonOf(direct, "conv1.weight")).toBe("followed by BatchNormalization bn1");
    const through = (net: Net) => net.finish(net.bn("bn1", net.relu("relu1", net.conv("conv1", net.image()))));
    expect(reasonOf(through, "conv1.weight")).toBe("followed by BatchNormalization bn1 through Relu relu1");
    const biased = (net: Net) => net.finish(net.bn("bn1", net.conv("conv1", net.image(), { bias: true })));
    expect(reasonOf(biased, "conv1.weight")).toBe(
      "followed by BatchNormalization bn1, which also takes away a bias (Conv conv1 adds conv1.bias)",
    );
  });

  it("name every normalisation that a branching weight meets", () => {
    const build = (net: Net) => {
      const y = net.conv("conv1", net.image());
      return net.finish(net.bn("bn1", y), net.bn("bn2", net.relu("relu1", y)));
    };
    expect(reasonOf(build, "conv1.weight")).toBe(
      "followed by BatchNormalization bn1 and BatchNormalization bn2 through Relu relu1",
    );
  });

  it("say that the layer divides by its own norm", () => {
    const build = (net: Net) =>
      net.finish(
        net.op(
          "head",
          "ScaleInvariantLinear",
          [net.table(), net.weight("w", 3, 4)],
          scaleInvariantLinearAttributes({ scale: 8 }),
          "isonorm",
        ),
      );
    expect(reasonOf(build, "w")).toBe("ScaleInvariantLinear head divides by its norm");
  });
});

describe("what is analysed", () => {
  const build = () => {
    const net = new Net();
    const y = net.bn("bn", net.conv("conv", net.image()));
    return net.finish(net.op("pool", "Clip", [y, net.b.initializer("low", tensor([], [0.5]))]));
  };

  it("is every float weight in order, without running statistics and settings", () => {
    const proofs = analyseScaleInvariance(build());
    expect(proofs.map(({ name, role }) => [name, role])).toEqual([
      ["conv.weight", "weight"],
      ["bn.gamma", "gain"],
      ["bn.beta", "bias"],
    ]);
    expect(proofs[0]).toMatchObject({ shape: [4, 4, 3, 3], perChannel: true, channelAxis: 0 });
    expect(proofs[1]).not.toHaveProperty("channelAxis");
  });

  it("is what the options name", () => {
    expect(analyseScaleInvariance(build(), { weights: ["low"] }).map(({ role }) => role)).toEqual(["constant"]);
  });

  it("depends on how batch normalisation is regarded", () => {
    const [inference] = analyseScaleInvariance(build(), { batchNormalization: "inference" });
    expect(inference).toMatchObject({
      scaleInvariant: false,
      reason: "BatchNormalization bn uses its running statistics, which do not scale with it",
    });
    const [each] = analyseScaleInvariance(build(), {
      batchNormalization: (node) => (node.name === "bn" ? "training" : "inference"),
    });
    expect(each!.scaleInvariant).toBe(true);
  });

  it("needs no sizes: dimensions may be symbolic", () => {
    const graph = build();
    const open = {
      ...graph,
      inputs: [{ name: "x", dtype: "float32" as const, shape: ["n", 4, "h", "w"] }],
      outputs: [{ name: "logits", dtype: undefined, shape: undefined }],
    };
    expect(analyseScaleInvariance(open)).toEqual(analyseScaleInvariance(graph));
  });

  it("stops at graphs inside nodes", () => {
    const graph = build();
    const inner: Graph = {
      name: "then",
      nodes: [],
      inputs: [],
      outputs: [{ name: "bn/y", dtype: undefined, shape: undefined }],
      initializers: new Map(),
      valueInfo: [],
    };
    const branch = {
      op: "If",
      domain: "",
      name: "if",
      inputs: ["conv/y"],
      outputs: ["logits"],
      attributes: { then_branch: { kind: "graph" as const, value: inner } },
    };
    const [proof] = analyseScaleInvariance({ ...graph, nodes: [...graph.nodes.slice(0, 2), branch] });
    expect(proof).toMatchObject({ scaleInvariant: false, reason: "If if does not commute with scaling" });
  });
});
