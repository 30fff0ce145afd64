import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../graph/index.js";
import { int, onnxDataType, string } from "../onnx/types.js";
import { differentiate } from "./differentiate.js";
import { describeGradients } from "./testing/describeGradients.js";
import { randomTensor } from "./testing/finiteDifference.js";
import "./rules/index.js";

const x = randomTensor([3, 4], { seed: 1 });

describeGradients("differentiate adds up over all ways to the loss", {
  "a value with four consumers": {
    inputs: [x, randomTensor([4, 3], { seed: 2 })],
    build: (b, [v, w]) => {
      const h = b.op("Tanh", [b.matMul(v!, w!)]);
      return b.plus(b.plus(b.times(h, h), b.exp(h)), b.matMul(h, h));
    },
  },
  "a diamond of residual branches": {
    inputs: [x],
    build: (b, [v]) => {
      const left = b.plus(v!, b.op("Sigmoid", [v]));
      const right = b.minus(left, b.op("Sin", [left]));
      return b.plus(right, b.times(left, v!));
    },
  },
  "a value that also decides a comparison": {
    inputs: [randomTensor([3, 4], { seed: 3, awayFrom: [0] })],
    build: (b, [v]) => b.where(b.op("Less", [v, b.scalar(0)]), b.square(v!), v!),
  },
});

describeGradients("what passes through integers is constant", {
  "the index of the maximum as a number": {
    inputs: [x],
    build: (b, [v]) => {
      const index = b.op("ArgMax", [v], { axis: int(1), keepdims: int(1) });
      return b.times(v!, b.op("Cast", [index], { to: int(onnxDataType.float32) }));
    },
  },
  "an index made from the value itself": {
    inputs: [x],
    build: (b, [v]) => b.op("GatherElements", [v, b.op("ArgMax", [v], { axis: int(1) })], { axis: int(1) }),
  },
});

describe("differentiate", () => {
  it("gives undefined for a weight that the loss does not depend on", () => {
    const b = new GraphBuilder();
    const [used, unused, behind] = ["used", "unused", "behind"].map((name) => b.input(name, "float32", [2]));
    b.square(behind!);
    const gradients = differentiate(b, b.sum(b.square(used!)), [used!, unused!, behind!]);
    expect(gradients.map((gradient) => gradient?.shape)).toEqual([[2], undefined, undefined]);
  });

  it("gives undefined where only integers lead to the loss", () => {
    const b = new GraphBuilder();
    const w = b.input("w", "float32", [2, 3]);
    const loss = b.sum(b.cast(b.op("ArgMax", [w], { axis: int(1) }), "float32"));
    expect(differentiate(b, loss, [w])).toEqual([undefined]);
  });

  it("gives 1 for the loss itself", () => {
    const b = new GraphBuilder();
    const loss = b.sum(b.input("x", "float32", [2]));
    expect(differentiate(b, loss, [loss])[0]?.constant?.data).toEqual(Float32Array.of(1));
  });

  it("names operator and node where a rule is missing on the way to a weight", () => {
    const b = new GraphBuilder();
    const w = b.input("w", "float32", [2]);
    const loss = b.sum(b.op("Bernoulli", [w], {}, { name: "encoder/noise" }));
    expect(() => differentiate(b, loss, [w])).toThrow(
      expect.objectContaining({
        code: "ISO_AUTODIFF_NO_RULE",
        message: expect.stringContaining("Bernoulli (node encoder/noise)"),
      }),
    );
  });

  it("names every node that lacks a rule, in the graph's order, and no node that no gradient reaches", () => {
    const b = new GraphBuilder();
    const [x, w] = [b.input("x", "float32", [1, 1, 3]), b.input("w", "float32", [1, 1, 3])];
    const noise = b.op("Bernoulli", [w], {}, { name: "noise" });
    const cut = b.op("Pad", [noise, b.int64([0, 0, -1, 0, 0, 1])], { mode: string("edge") }, { name: "shift" });
    const flat = b.op("Sign", [b.op("Bernoulli", [w], {}, { name: "unreached" })]);
    b.op("Bernoulli", [x], {}, { name: "elsewhere" });
    expect(() => differentiate(b, b.sum(b.times(b.square(cut), flat)), [w])).toThrow(
      "2 nodes cannot be trained through: operator Bernoulli (node noise) lies between a trained weight and the loss and has no " +
        "gradient rule; no gradient for Pad (node shift): mode edge with negative pads. " +
        "Freeze the weights before them, or replace them in the model.",
    );
  });

  it("needs no rule for operators that are not on the way to a weight", () => {
    const b = new GraphBuilder();
    const [x, w] = [b.input("x", "float32", [2]), b.input("w", "float32", [2])];
    const noise = b.op("Bernoulli", [x]);
    expect(differentiate(b, b.sum(b.times(noise, w)), [w])[0]?.shape).toEqual([2]);
  });

  it("adds no node for weights that need none", () => {
    const b = new GraphBuilder();
    const [x, w] = [b.input("x", "float32", [2, 3]), b.input("w", "float32", [3, 4])];
    const loss = b.sum(b.matMul(x, w));
    const before = b.nodes.length;
    differentiate(b, loss, [w]);
    // dL/dy spread over y, and x' dy; no gradient of x.
    expect(b.nodes.slice(before).map(({ op }) => op)).toEqual(["Expand", "Gemm"]);
  });

  it("refuses a loss that is not a scalar", () => {
    const b = new GraphBuilder();
    const x = b.input("x", "float32", [2]);
    expect(() => differentiate(b, b.square(x), [x])).toThrow(/has shape \[2\], not \[\]/);
  });
});
