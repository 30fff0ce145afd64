import { describe, expect, it } from "vitest";
import { GraphBuilder, type Value } from "../../graph/index.js";
import { int, type Tensor } from "../../onnx/types.js";
import { differentiate } from "../differentiate.js";
import { describeGradients } from "../testing/describeGradients.js";
import { evaluate, inputName } from "../testing/finiteDifference.js";
import "./index.js";

const floats = (shape: readonly number[], ...data: number[]) =>
  ({ dtype: "float32", shape, data: Float32Array.from(data) }) as const;
const bytes = (shape: readonly number[], ...data: number[]): Tensor => ({
  dtype: "int8",
  shape,
  data: Int8Array.from(data),
});

describeGradients(
  "DequantizeLinear",
  {
    "of one scale": {
      inputs: [bytes([2, 3], 1, -5, 7, 100, -128, 3), floats([], 0.3), bytes([], 2)],
      build: (b, [q, scale, zero]) => b.op("DequantizeLinear", [q, scale, zero]),
    },
    "of a scale for each channel": {
      inputs: [bytes([2, 3], 1, -5, 7, 100, -128, 3), floats([3], 0.3, 0.2, 0.7), bytes([3], 2, 0, -9)],
      build: (b, [q, scale, zero]) => b.op("DequantizeLinear", [q, scale, zero], { axis: int(-1) }),
    },
  },
  "float32",
);

/** Gradients of sum of c y by the inputs, for y = DequantizeLinear(QuantizeLinear(x, s, z), s, z). */
async function fakeQuantized(inputs: readonly Tensor[], c: readonly number[], axis: number) {
  const b = new GraphBuilder();
  const values = inputs.map((tensor, index) => b.input(inputName(index), tensor.dtype, tensor.shape));
  const [x, s, z] = values as [Value, Value, Value];
  const q = b.op("QuantizeLinear", [x, s, z], { axis: int(axis) });
  const y = b.op("DequantizeLinear", [q, s, z], { axis: int(axis) });
  const loss = b.op("ReduceSum", [b.times(y, b.constant(floats(x.shape, ...c)))], { keepdims: int(0) });
  const [dx, ds] = differentiate(b, loss, [x, s]);
  b.output("dx", dx!);
  b.output("ds", ds!);
  const results = await evaluate(b.finish("fake"), inputs, b.opsets);
  return {
    dx: Array.from(results.get("dx")!.data as Float32Array),
    ds: Array.from(results.get("ds")!.data as Float32Array),
  };
}

describe("a number that is quantised and back", () => {
  // x / s + z = 3.6, -2.2, 300, -400 of -128 ... 127: rounded 4 and -2, clipped 127 and -128.
  const x = floats([4], 1.3, -1.6, 149.5, -200.5);

  it("passes its gradient straight through, unless it is clipped; the scale gets LSQ's", async () => {
    const { dx, ds } = await fakeQuantized([x, floats([], 0.5), bytes([], 1)], [1, 2, 3, 4], 0);
    expect(dx).toEqual([1, 2, 0, 0]);
    // (round(x / s) - x / s) c inside, (bound - z) c outside
    const expected = (3 - 2.6) * 1 + (-3 - -3.2) * 2 + (127 - 1) * 3 + (-128 - 1) * 4;
    expect(ds[0]).toBeCloseTo(expected, 3);
  });

  it("channel by channel too", async () => {
    const inputs = [floats([2, 2], 1.3, 0.4, 149.5, -1), floats([2], 0.5, 0.25), bytes([2], 1, 0)];
    const { dx, ds } = await fakeQuantized(inputs, [1, 2, 3, 4], 1);
    expect(dx).toEqual([1, 2, 0, 4]);
    expect(ds[0]).toBeCloseTo((3 - 2.6) * 1 + (127 - 1) * 3, 3);
    expect(ds[1]).toBeCloseTo((2 - 1.6) * 2 + 0 * 4, 3);
  });
});

describe("what else reads quantised numbers", () => {
  const refused = (build: (b: GraphBuilder, w: Value) => Value) => () => {
    const b = new GraphBuilder();
    const w = b.input("w", "float32", [2, 2]);
    const y = build(b, w);
    return differentiate(b, b.op("ReduceSum", [y], { keepdims: int(0) }), [w]);
  };
  const scale = (b: GraphBuilder) => b.constant(floats([], 0.1));
  const zero = (b: GraphBuilder) => b.constant({ dtype: "uint8", shape: [], data: Uint8Array.of(3) });

  it("is refused by name where it has no rule: a weight behind it is not left out in silence", () => {
    const product = (b: GraphBuilder, w: Value) => {
      const q = b.op("QuantizeLinear", [w, scale(b), zero(b)]);
      const parameters = [scale(b), zero(b)];
      const y = b.op("QLinearMatMul", [q, ...parameters, q, ...parameters, ...parameters], {}, { name: "product" });
      return b.op("DequantizeLinear", [y, ...parameters]);
    };
    expect(refused(product)).toThrow(/QLinearMatMul \(node product\) lies between a trained weight and the loss/);
  });

  it("is refused where the scale itself is computed from the numbers", () => {
    const dynamic = (b: GraphBuilder, w: Value) => {
      const [q, s, z] = b.add("DynamicQuantizeLinear", [w], {}, { name: "dynamic" });
      return b.op("DequantizeLinear", [q!, s!, z!]);
    };
    expect(refused(dynamic)).toThrow(/DynamicQuantizeLinear \(node dynamic\) lies between/);
  });

  it("may be arithmetic on the integers, as some exporters write DequantizeLinear", async () => {
    const b = new GraphBuilder();
    const w = b.input(inputName(0), "float32", [2]);
    const q = b.op("QuantizeLinear", [w, scale(b), zero(b)]);
    const y = b.times(b.minus(b.cast(q, "float32"), b.scalar(3)), scale(b));
    b.output("dw", differentiate(b, b.op("ReduceSum", [y], { keepdims: int(0) }), [w])[0]!);
    const dw = (await evaluate(b.finish("written"), [floats([2], 0.4, 1000)], b.opsets)).get("dw")!;
    expect([...(dw.data as Float32Array)]).toEqual([1, 0]);
  });

  it("may be its shape", () => {
    const shaped = (b: GraphBuilder, w: Value) => {
      const shape = b.op("Shape", [b.op("QuantizeLinear", [w, scale(b), zero(b)])]);
      return b.times(w, b.cast(b.op("ReduceMax", [shape], { keepdims: int(0) }), "float32"));
    };
    expect(refused(shaped)).not.toThrow();
  });
});
