import { describe } from "vitest";
import { agreesWithOrt, f32, refuses } from "../ortOracle.js";

describe("Conv", () => {
  agreesWithOrt([
    { op: "Conv", inputs: [f32(2, 3, 8, 7), f32(4, 3, 3, 3)] },
    { op: "Conv", inputs: [f32(2, 3, 8, 7), f32(4, 3, 3, 3), f32(4)], attributes: { pads: [1, 1, 1, 1] } },
    { op: "Conv", inputs: [f32(2, 4, 8, 7), f32(6, 2, 3, 3)], attributes: { group: 2, strides: [2, 1] } },
    { op: "Conv", inputs: [f32(1, 4, 9, 9), f32(4, 1, 3, 3)], attributes: { group: 4, dilations: [2, 3] } },
    { op: "Conv", inputs: [f32(1, 2, 9, 9), f32(3, 2, 3, 2)], attributes: { pads: [0, 1, 2, 3], strides: [3, 2] } },
    { op: "Conv", inputs: [f32(1, 2, 10), f32(3, 2, 3)], attributes: { strides: [2] } },
    { op: "Conv", inputs: [f32(1, 2, 5, 6, 7), f32(3, 2, 3, 2, 3)], attributes: { pads: [1, 0, 1, 1, 1, 0] } },
    { op: "Conv", inputs: [f32(1, 2, 9, 8), f32(3, 2, 3, 3)], attributes: { auto_pad: "VALID", strides: [2, 2] } },
    { op: "Conv", inputs: [f32(1, 2, 9, 8), f32(3, 2, 3, 4)], attributes: { auto_pad: "SAME_UPPER", strides: [2, 2] } },
    { op: "Conv", inputs: [f32(1, 2, 9, 8), f32(3, 2, 3, 4)], attributes: { auto_pad: "SAME_LOWER", strides: [2, 3] } },
    { op: "Conv", inputs: [f32(1, 2, 9, 8), f32(3, 2, 1, 1)], attributes: { auto_pad: "SAME_UPPER", strides: [2, 2] } },
    { op: "Conv", inputs: [f32(1, 2, 9, 8), f32(3, 2, 3, 3)], attributes: { kernel_shape: [3, 3] }, opset: 10 },
    {
      op: "FusedConv",
      domain: "com.microsoft",
      inputs: [f32(1, 3, 8, 8), f32(4, 3, 3, 3), f32(4), f32(1, 4, 6, 6)],
      attributes: { activation: "Relu" },
    },
  ]);
});

describe("ConvTranspose", () => {
  const x = f32(1, 4, 5, 6);
  agreesWithOrt([
    { op: "ConvTranspose", inputs: [x, f32(4, 3, 3, 3)] },
    { op: "ConvTranspose", inputs: [x, f32(4, 3, 3, 3), f32(3)], attributes: { strides: [2, 3] } },
    { op: "ConvTranspose", inputs: [x, f32(4, 3, 3, 2)], attributes: { strides: [2, 2], pads: [1, 0, 1, 1] } },
    { op: "ConvTranspose", inputs: [x, f32(4, 3, 3, 3)], attributes: { strides: [2, 2], output_padding: [1, 0] } },
    { op: "ConvTranspose", inputs: [x, f32(4, 2, 3, 3)], attributes: { group: 2, dilations: [2, 1] } },
    { op: "ConvTranspose", inputs: [x, f32(4, 3, 3, 3)], attributes: { strides: [2, 2], output_shape: [10, 12] } },
    { op: "ConvTranspose", inputs: [x, f32(4, 3, 3, 3)], attributes: { strides: [2, 2], auto_pad: "SAME_UPPER" } },
    { op: "ConvTranspose", inputs: [x, f32(4, 3, 3, 3)], attributes: { strides: [2, 3], auto_pad: "SAME_LOWER" } },
    { op: "ConvTranspose", inputs: [x, f32(4, 3, 3, 3)], attributes: { strides: [2, 3], auto_pad: "VALID" } },
    { op: "ConvTranspose", inputs: [x, f32(4, 3, 1, 1)], attributes: { strides: [2, 3], auto_pad: "SAME_UPPER" } },
    { op: "ConvTranspose", inputs: [x, f32(4, 3, 1, 1)], attributes: { strides: [2, 3], output_shape: [10, 18] } },
    { op: "ConvTranspose", inputs: [f32(1, 4, 5), f32(4, 3, 3)], attributes: { strides: [2] } },
  ]);
});

const x = f32(1, 4, 8, 8);
refuses([
  [{ op: "Conv", inputs: [x, f32(6, 3, 3, 3)] }, /X has 4 channels where W \[6, 3, 3, 3\] with group 1 asks for 3/],
  [
    { op: "Conv", inputs: [x, f32(3, 2, 3, 3)], attributes: { group: 2 } },
    /group 2 does not divide W's 3 output channels/,
  ],
  [{ op: "Conv", inputs: [x, f32(6, 4, 3)] }, /X and W must have one rank, not 4 and 3/],
  [{ op: "Conv", inputs: [x, f32(6, 4, 3, 3), f32(4)] }, /B must have shape \[6\], not \[4\]/],
  [{ op: "Conv", inputs: [x, f32(6, 4, 9, 9)] }, /the window does not fit: kernel \[9, 9\].*output \[0, 0\]/],
  [{ op: "Conv", inputs: [x, f32(6, 4, 3, 3)], attributes: { strides: [1] } }, /strides \[1\] must have 2 entries/],
  [{ op: "Conv", inputs: [x, f32(6, 4, 3, 3)], attributes: { strides: [0, 1] } }, /strides \[0, 1\] must be 1 or more/],
  [{ op: "Conv", inputs: [x, f32(6, 4, 3, 3)], attributes: { pads: [1, 1] } }, /pads \[1, 1\] must have 4 entries/],
  [
    { op: "Conv", inputs: [x, f32(6, 4, 3, 3)], attributes: { kernel_shape: [5, 5] } },
    /kernel_shape \[5, 5\] is not that of W/,
  ],
  [{ op: "Conv", inputs: [x, f32(6, 4, 3, 3)], attributes: { auto_pad: "FULL" } }, /auto_pad "FULL" is none of/],
  [{ op: "ConvTranspose", inputs: [x, f32(3, 4, 3, 3)] }, /X has 4 channels where W \[3, 4, 3, 3\] asks for 3/],
  [
    { op: "ConvTranspose", inputs: [x, f32(4, 4, 3, 3)], attributes: { output_shape: [9] } },
    /output_shape \[9\] must have one entry/,
  ],
]);
