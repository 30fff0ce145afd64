import { describe, expect, it } from "vitest";
import { int } from "../onnx/types.js";
import { GraphBuilder } from "./builder.js";
import { i64, numbers } from "./ortOracle.js";

const setUp = () => {
  const b = new GraphBuilder();
  return { b, x: b.input("x", "float32", [2, 3]) };
};

describe("GraphBuilder", () => {
  it("names nodes and values, numbering names that are taken", () => {
    const { b, x } = setUp();
    b.relu(x);
    b.relu(x);
    const [y] = b.add("Relu", [x], {}, { name: "last", outputNames: ["y"] });
    expect(b.nodes.map(({ name, outputs }) => [name, ...outputs])).toEqual([
      ["Relu", "Relu/y"],
      ["Relu_1", "Relu_1/y"],
      ["last", "y"],
    ]);
    expect(b.value("y")).toBe(y);
    expect(b.freshName("y")).toBe("y_1");
    expect(b.freshName("y")).toBe("y_2");
  });

  it("keeps names of nodes and of values apart, as ONNX does", () => {
    const { b, x } = setUp();
    const [value] = b.add("Relu", [x], {}, { name: "same", outputNames: ["same"] });
    expect([b.nodes[0]!.name, value!.name]).toEqual(["same", "same"]);
  });

  it("refuses two values of one name, and to give a value that there is not", () => {
    const { b, x } = setUp();
    expect(() => b.input("x", "float32", [1])).toThrowError(/two values are named "x"/);
    expect(() => b.add("Relu", [x], {}, { outputNames: ["x"] })).toThrowError(/two values are named "x"/);
    expect(() => b.value("y")).toThrowError(/no value is named "y"/);
    expect(b.has("y")).toBe(false);
  });

  it("makes optional outputs as far as they are asked for, by number or by name", () => {
    const { b, x } = setUp();
    expect(b.add("Dropout", [x])).toHaveLength(1);
    expect(b.add("Dropout", [x], {}, { outputs: 2 }).map(({ dtype }) => dtype)).toEqual(["float32", "bool"]);
    expect(b.add("Dropout", [x], {}, { outputNames: ["", "mask"] }).map(({ name }) => name)).toEqual([
      "Dropout_2/y",
      "mask",
    ]);
    expect(() => b.add("Relu", [x], {}, { outputs: 2 })).toThrowError(/Relu \(node Relu\) has 1 outputs, not 2/);
  });

  it("leaves out absent inputs at the end", () => {
    const { b, x } = setUp();
    b.add("Clip", [x, undefined, undefined]);
    b.add("Clip", [x, undefined, b.scalar(1)]);
    expect(b.nodes.map(({ inputs }) => inputs)).toEqual([["x"], ["x", "", "constant"]]);
  });

  it("shares equal scalars and integer rows, but not 0 and -0 or other data types", () => {
    const b = new GraphBuilder();
    expect(b.scalar(0.5)).toBe(b.scalar(0.5));
    expect(b.int64([1, 2])).toBe(b.int64([1, 2]));
    expect(b.scalar(0)).not.toBe(b.scalar(-0));
    expect(b.scalar(1)).not.toBe(b.scalar(1, "float64"));
    expect(b.scalar(Number.NaN)).toBe(b.scalar(Number.NaN));
  });

  it("gives the graph with inputs, outputs and initializers; an output under another name is an Identity", () => {
    const { b, x } = setUp();
    const y = b.plus(x, b.initializer("w", numbers(1, 2, 3)));
    b.markOutput(y);
    b.output("z", y);
    expect(b.finish("g")).toEqual({
      name: "g",
      nodes: [expect.objectContaining({ op: "Add" }), expect.objectContaining({ op: "Identity", outputs: ["z"] })],
      inputs: [{ name: "x", dtype: "float32", shape: [2, 3] }],
      outputs: [
        { name: "Add/y", dtype: "float32", shape: [2, 3] },
        { name: "z", dtype: "float32", shape: [2, 3] },
      ],
      initializers: new Map([["w", numbers(1, 2, 3)]]),
      valueInfo: [],
    });
  });

  it("reduces with axes where the operator set has them: an attribute first, then an input", () => {
    const reduced = (opset: number, op: "sum" | "mean") => {
      const b = new GraphBuilder({ opset });
      const y = b[op](b.input("x", "float32", [2, 3]), [1]);
      expect(y.shape).toEqual([2]);
      return [b.nodes[0]!.inputs.length, "axes" in b.nodes[0]!.attributes];
    };
    expect([reduced(12, "sum"), reduced(13, "sum")]).toEqual([
      [1, true],
      [2, false],
    ]);
    expect([reduced(17, "mean"), reduced(18, "mean")]).toEqual([
      [1, true],
      [2, false],
    ]);
  });

  it("gives back x where a conversion changes nothing", () => {
    const { b, x } = setUp();
    expect(b.reshape(x, [2, 3])).toBe(x);
    expect(b.cast(x, "float32")).toBe(x);
    expect(b.sum(x, [])).toBe(x);
    expect(() => b.reshape(x, [4])).toThrowError(/cannot reshape \[2,3\] to \[4\]/);
    expect(b.nodes).toEqual([]);
  });

  it("knows the contents of what follows from constants", () => {
    const { b, x } = setUp();
    const rows = b.op("Gather", [b.op("Shape", [x]), b.int64([0])], { axis: int(0) });
    const shape = b.op("Concat", [rows, b.int64([-1])], { axis: int(0) });
    expect(shape.constant).toEqual(i64(2, -1));
    expect(b.op("Reshape", [x, shape]).shape).toEqual([2, 3]);
  });
});
