import { describe } from "vitest";
import type { Tensor } from "../../onnx/types.js";
import { agreesWithOrt, f32, number, refuses, typed } from "../ortOracle.js";

const u8 = (...shape: number[]) => typed("uint8", ...shape);
const zero: Tensor = { dtype: "uint8", shape: [], data: Uint8Array.of(3) };
const signedZero: Tensor = { dtype: "int8", shape: [], data: Int8Array.of(0) };
const scale = number(0.5);
const window = { kernel_shape: [3, 3], pads: [1, 1, 1, 1] };

describe("quantised operators", () => {
  agreesWithOrt([
    { op: "QuantizeLinear", inputs: [f32(2, 3), scale] },
    { op: "QuantizeLinear", inputs: [f32(2, 3), scale, signedZero] },
    { op: "DequantizeLinear", inputs: [u8(2, 3), scale, zero] },
    { op: "DynamicQuantizeLinear", inputs: [f32(2, 3)] },
    { op: "ConvInteger", inputs: [u8(2, 3, 5, 4), u8(6, 3, 3, 3), zero], attributes: window },
    {
      op: "QLinearConv",
      inputs: [u8(2, 3, 5, 4), scale, zero, u8(6, 3, 3, 3), scale, zero, scale, zero, typed("int32", 6)],
      attributes: { ...window, strides: [2, 1] },
    },
    { op: "MatMulInteger", inputs: [u8(2, 3, 4), u8(4, 5), zero] },
    { op: "QLinearMatMul", inputs: [u8(3, 4), scale, zero, u8(4, 5), scale, zero, scale, zero] },
    {
      op: "QLinearAdd",
      domain: "com.microsoft",
      inputs: [u8(2, 3, 4), scale, zero, u8(3, 1), scale, zero, scale, zero],
    },
    { op: "QLinearSigmoid", domain: "com.microsoft", inputs: [u8(2, 3), scale, zero, scale, zero] },
    {
      op: "QLinearGlobalAveragePool",
      domain: "com.microsoft",
      inputs: [u8(2, 3, 5, 4), scale, zero, scale, zero],
    },
    {
      op: "QLinearGlobalAveragePool",
      domain: "com.microsoft",
      inputs: [u8(2, 5, 4, 3), scale, zero, scale, zero],
      attributes: { channels_last: 1 },
    },
  ]);
  refuses([
    [{ op: "ConvInteger", inputs: [u8(2, 3, 5, 4), u8(6, 2, 3, 3)] }, /X has 3 channels where W/],
    [{ op: "MatMulInteger", inputs: [u8(3, 4), u8(3, 4)] }, /the inner sizes differ/],
  ]);
});
