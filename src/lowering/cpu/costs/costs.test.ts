import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../../../graph/index.js";
import { int, ints } from "../../../onnx/types.js";
import { lower } from "../../index.js";
import { elementSizes } from "../operator.js";
import { cpuOperators } from "../operators/index.js";
import {
  type CostTable,
  costsFor,
  costTableSchema,
  layoutOperators,
  type MeasuredShape,
  shipped,
  shippedCosts,
} from "./index.js";

const at = (elements: number, ms: MeasuredShape["ms"], kind = ""): MeasuredShape => ({
  ...elementSizes(elements, kind),
  ms,
});

function table(operators: CostTable["operators"], channelBlock: number | null = null): CostTable {
  return { format: 1, processor: "test", channelBlock, runtime: "0", threads: [1, 4], operators };
}

/** What is known of the recipes a and b for so many elements. */
function known(shapes: readonly MeasuredShape[], elements: number, threads = 1, kind = "") {
  const costs = costsFor(table({ Op: [...shapes] }), threads);
  return Object.fromEntries(costs.milliseconds("Op", elementSizes(elements, kind), ["a", "b"]));
}

describe("costs from a table", () => {
  it("a shape that was measured costs what it did, with the number of threads that is nearest in ratio", () => {
    const shapes = [at(100, { a: [8, 3], b: [9, 2] }), at(200, { a: [1, 1], b: [1, 1] })];
    for (const [threads, a, b] of [
      [1, 8, 9],
      [3, 3, 2],
      [16, 3, 2],
    ] as const) {
      const costs = known(shapes, 100, threads);
      expect(costs.a).toBeCloseTo(a, 10);
      expect(costs.b).toBeCloseTo(b, 10);
    }
  });

  it("another costs the mean of its two neighbours, scaled by its work, the nearer counting more", () => {
    const shapes = [at(64, { a: [6.4, 1] }), at(1024, { a: [409.6, 1] }), at(4096, { a: [1, 1] })];
    // an octave from 0.1 a unit, three from 0.4: 0.1 * 4^(1/4)
    expect(known(shapes, 128).a).toBeCloseTo(128 * 0.1 * 4 ** 0.25, 6);
  });

  it("only recipes that were measured on all neighbours are compared, or those of the nearest", () => {
    const [first, second] = [at(64, { a: [1, 1] }), at(256, { a: [4, 4], b: [1, 1] })];
    expect(Object.keys(known([first, second], 128))).toEqual(["a"]);
    expect(known([at(64, { a: [1, 1] }), at(512, { b: [1, 1] })], 128)).toEqual({ a: 2 });
  });

  it("nothing is known of other kinds, and of shapes far away", () => {
    expect(known([at(64, { a: [1, 1] })], 64, 1, "other")).toEqual({});
    expect(known([at(64, { a: [1, 1] })], 64 * 2 ** 5)).toEqual({});
  });
});

describe("a node's recipe", () => {
  /** Operators of a sum of squares of so many elements, as lowered with these costs. */
  function lowered(elements: number, shapes: readonly MeasuredShape[]) {
    const b = new GraphBuilder();
    b.output("sum", b.abstract("SumOfSquares", [b.input("x", "float32", [elements])])[0]!);
    const costs = costsFor(table({ SumOfSquares: [...shapes] }), 1);
    return lower(b.finish("sum"), "cpu", { costs }).nodes.find(({ op }) => op !== "Reshape")!.op;
  }
  const [rows, squares] = ["Mul", "ReduceSumSquare"];

  it("is the cheapest", () => {
    expect(lowered(32768, [at(32768, { rows: [2, 2], "squares of rows": [1, 1] })])).toEqual(squares);
    expect(lowered(32768, [at(32768, { rows: [1, 1], "squares of rows": [2, 2] })])).toEqual(rows);
  });

  it("is the rule's where others win by less than a twentieth, and where the rule's was not measured", () => {
    expect(lowered(32768, [at(32768, { rows: [1, 1], "squares of rows": [0.97, 1] })])).toEqual(rows);
    expect(lowered(32768, [at(32768, { "squares of rows": [1, 1] })])).toEqual(rows);
    expect(lowered(32768, [])).toEqual(rows);
    expect(lowered(16384, [])).toEqual("ReduceSumSquare");
  });

  it("pays for the way of its operands into blocks and back", () => {
    const build = (conversion: number) => {
      const b = new GraphBuilder();
      const window = { kernel_shape: ints([1, 1]), strides: ints([1, 1]), dilations: ints([1, 1]) };
      const attributes = { ...window, pads: ints([0, 0, 0, 0]), group: int(1) };
      const [x, dy] = [b.input("x", "float32", [8, 16, 4, 4]), b.input("dy", "float32", [8, 16, 4, 4])];
      b.output("dw", b.abstract("ConvWeightGrad", [x, dy], attributes)[0]!);
      const sizes = { images: 8, channels: 16, maps: 16, width: 16, positions: 16, taps: 1 };
      const ms = { blocks: [1, 1], "product per image": [2, 2] };
      const reorder = [at(8 * 16 * 16, { reorder: [conversion, conversion] })];
      const operators = {
        ConvWeightGrad: [{ kind: "dense, 1x1", sizes, work: 8 * 16 * 16 * 16, ms }],
        [layoutOperators.toBlocks]: reorder,
      };
      return lower(b.finish("dw"), "cpu", { channelBlock: 8, costs: costsFor(table(operators, 8), 1) });
    };
    expect(build(0.1).nodes.some(({ domain }) => domain !== "")).toBe(true);
    // Both operands are plain here: 1 + 2 * 0.6 is more than 2.
    expect(build(0.6).nodes.every(({ domain }) => domain === "")).toBe(true);
  });

  it("costs of machines with other blocks are refused", () => {
    const graph = new GraphBuilder().finish("empty");
    expect(() => lower(graph, "cpu", { channelBlock: 16, costs: costsFor(table({}, 8), 1) })).toThrow(
      /measured with 8 channels in a block, and here there are 16/,
    );
  });
});

describe("the tables that are shipped", () => {
  it.each(shipped.map((one) => [one.processor, one] as const))("%s: valid, and of recipes that there are", (_, one) => {
    expect(costTableSchema.safeParse(one).error).toBeUndefined();
    const several = [...cpuOperators.values()].filter(({ recipes }) => recipes.length > 1).map(({ name }) => name);
    const wanted = [...several, ...Object.values(layoutOperators)];
    expect(Object.keys(one.operators).sort()).toEqual(wanted.sort());
    for (const operator of cpuOperators.values()) {
      const names = operator.recipes.map(({ name }) => name);
      const measured = (one.operators[operator.name] ?? []).flatMap(({ ms }) => Object.keys(ms));
      expect(names).toEqual(expect.arrayContaining([...new Set(measured)]));
    }
  });

  it("processors with blocks as large take the table of one like them, others none", () => {
    expect(shippedCosts("a processor that nobody measured", 8)?.channelBlock).toBe(8);
    expect(shippedCosts("a processor that nobody measured", 16)?.channelBlock).toBe(16);
    expect(shippedCosts("AMD EPYC", undefined)).toBeUndefined();
  });

  it("a table with a time missing is refused", () => {
    const broken = table({ Op: [at(1, { a: [1] })] });
    expect(costTableSchema.safeParse(broken).success).toBe(false);
  });
});
