import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../../graph/index.js";
import { differentiate } from "../differentiate.js";
import { describeGradients } from "../testing/describeGradients.js";
import { evaluate, inputName, randomTensor } from "../testing/finiteDifference.js";

const x = randomTensor([8, 16], { seed: 1, low: 1, high: 2 });
const flag = (b: GraphBuilder, on: boolean) =>
  b.constant({ dtype: "bool", shape: [], data: Uint8Array.of(on ? 1 : 0) });

describeGradients("Dropout that drops nothing", {
  "without training mode": { inputs: [x], build: (b, [v]) => b.op("Dropout", [v]) },
  "with training mode off": { inputs: [x], build: (b, [v]) => b.op("Dropout", [v, b.scalar(0.5), flag(b, false)]) },
  "before opset 12": { inputs: [x], opset: 10, build: (b, [v]) => b.op("Dropout", [v]) },
});

describe("Dropout in training", () => {
  it("passes the gradient where it kept the element, scaled as the element was", async () => {
    const b = new GraphBuilder();
    const v = b.input(inputName(0), "float32", x.shape);
    const [y] = b.add("Dropout", [v, b.scalar(0.25), flag(b, true)], {}, { outputNames: ["y", "mask"] });
    const [dx] = differentiate(b, b.sum(y!), [v]);
    b.output("kept", y!);
    b.output("dx", dx!);
    const outputs = await evaluate(b.finish("dropout"), [x], b.opsets);
    const [kept, gradient] = [outputs.get("kept")!.data, outputs.get("dx")!.data];
    // y = x dy/dx holds for every element, with dy/dx = 0 or 1 / 0.75.
    expect(new Set(Array.from(gradient as Float32Array, (value) => value.toFixed(4)))).toEqual(
      new Set(["0.0000", "1.3333"]),
    );
    x.data.forEach((value, index) => {
      expect(Number(kept[index])).toBeCloseTo(value * Number(gradient[index]), 5);
    });
  });

  it("needs the mask, and says so", () => {
    const b = new GraphBuilder();
    const v = b.input(inputName(0), "float32", x.shape);
    const y = b.op("Dropout", [v, b.scalar(0.25), flag(b, true)], {}, { name: "drop", outputNames: ["y"] });
    expect(() => differentiate(b, b.sum(y), [v])).toThrow(
      /Dropout \(node drop\): it trains and does not give its mask/,
    );
  });
});
