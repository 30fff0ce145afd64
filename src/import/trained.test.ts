import { describe, expect, it } from "vitest";
import { analyseScaleInvariance } from "../method/index.js";
import { convnet } from "../models/index.js";
import { Network } from "../models/network.js";
import { cutFrozen, selectTrained } from "./index.js";
import { outputOf, tensor } from "./testing/models.js";

describe("what is trained", () => {
  const head = { scale: 4, norm: "tensor", features: "raw" } as const;
  const model = convnet({ width: 2 }).build({ shape: [1, 8, 8], classes: 3, seed: 1, head });
  const names = analyseScaleInvariance(model.graph).map(({ name }) => name);
  const select = (choice: string) => selectTrained(model.graph, names, choice, "classifier.weight");

  it.each([
    ["all", names],
    ["head", ["classifier.weight"]],
    ["last:1", ["classifier.weight"]],
    ["last:2", ["stage3.layer2.conv.weight", "stage3.layer2.bn.weight", "stage3.layer2.bn.bias", "classifier.weight"]],
    ["last:1000", names],
    ["stage3.*conv", ["stage3.layer1.conv.weight", "stage3.layer2.conv.weight", "classifier.weight"]],
  ])("%s", (choice, expected) => {
    expect([...select(choice)].sort()).toEqual([...expected].sort());
  });

  it.each([
    ["last:0", /whole number/],
    ["last:two", /whole number/],
    ["(", /no regular expression/],
    ["stage9", /no weight's name matches/],
  ])("%s is refused", (choice, message) => {
    expect(() => select(choice)).toThrow(
      expect.objectContaining({ code: "ISO_ARGUMENT", message: expect.stringMatching(message) }),
    );
  });

  it("the network is cut before it, and both parts together are the whole", async () => {
    const cut = cutFrozen(model.graph, select("last:2"))!;
    const [shape, input] = [[2, 1, 8, 8], tensor([2, 1, 8, 8]).data];
    const whole = await outputOf(model, "logits", shape, input);
    const features = await outputOf({ ...model, graph: cut.frozen }, cut.features, shape, input);
    const opened = { ...cut.trained, inputs: [{ name: cut.features, dtype: "float32", shape: [2, 8, 2, 2] } as const] };
    expect(await outputOf({ ...model, graph: opened }, "logits", [2, 8, 2, 2], features)).toEqual(whole);
    expect(cut.trained.nodes.map(({ name }) => name)).toContain("stage3.layer2.conv");
    expect(cut.trained.nodes.map(({ name }) => name)).not.toContain("stage3.layer1.conv");
    expect(cutFrozen(model.graph, select("all"))).toBeUndefined();
  });

  it("is not cut where more than one value crosses", () => {
    const net = new Network({ shape: [4], classes: 2, seed: 1, head });
    const [left, right] = [net.linear("left", net.input, 3), net.linear("right", net.input, 3)];
    const crossing = net.finish("two", net.classifier(net.b.plus(left, right), 2, head));
    const sum = crossing.graph.nodes.find(({ op }) => op === "Add")!;
    expect(cutFrozen(crossing.graph, new Set(["classifier.weight"]))!.features).toBe(sum.outputs[0]);
    const gated = new Network({ shape: [4], classes: 2, seed: 1, head });
    const gate = gated.linear("gate", gated.input, 4);
    const both = gated.finish("gated", gated.classifier(gated.b.plus(gated.linear("late", gate, 4), gate), 2, head));
    expect(cutFrozen(both.graph, new Set(["late.weight", "classifier.weight"]))!.features).toBe(gate.name);
    const skip = new Network({ shape: [4], classes: 2, seed: 1, head });
    const first = skip.linear("first", skip.input, 4);
    const second = skip.b.relu(first);
    const crossed = skip.finish("skip", skip.classifier(skip.b.plus(skip.linear("late", second, 4), first), 2, head));
    expect(cutFrozen(crossed.graph, new Set(["late.weight", "classifier.weight"]))).toBeUndefined();
  });
});
