import { describe, expect, it } from "vitest";
import { trainingOperations } from "../../bench/step/cost.js";
import { placeNodes } from "../../bench/step/layers.js";
import { multiplications } from "../../bench/step/operations.js";
import { type ProfilerEvent, readProfile } from "../../bench/step/profile.js";
import { shares } from "../../bench/step/profileTables.js";
import { convnet, mlp } from "../../src/models/index.js";

const head = { scale: 7.9, norm: "tensor", features: "raw" } as const;
const network = convnet({ width: 4 }).build({ shape: [1, 8, 8], classes: 10, seed: 0, head });

const kernel = (name: string, op: string, dur: number, inputs: number[][], output: number[]): ProfilerEvent => ({
  cat: "Node",
  name: `${name}_kernel_time`,
  dur,
  args: {
    op_name: op,
    input_type_shape: inputs.map((float) => ({ float })),
    output_type_shape: [{ float: output }],
  },
});

describe("the profile of a step", () => {
  it("finds phase and layer by a node's name", () => {
    const place = placeNodes(network.graph);
    expect(place("model/stage1.layer1.conv")).toEqual({ phase: "forward", layer: "stage1.layer1.conv" });
    // An activation has no name of its own: it belongs to what it follows.
    expect(place("gradient/model/Relu_1/ReluGrad/Mul")).toEqual({ phase: "gradient", layer: "stage1.layer2.bn" });
    expect(place("update/stage2.layer1.conv.weight/Mul_3")).toEqual({ phase: "update", layer: "stage2.layer1.conv" });
    expect(place("gradient/loss/LogSoftmax/Exp")).toEqual({ phase: "gradient", layer: "" });
    expect(place("Transpose_token_3")).toEqual({ phase: "runtime", layer: "" });
  });

  it("takes each node's median over the steps after the first, and what lies between nodes", () => {
    const step = (conv: number, add: number, total: number): ProfilerEvent[] => [
      kernel(
        "model/stage1.layer1.conv",
        "Conv",
        conv,
        [
          [2, 1, 8, 8],
          [4, 1, 3, 3],
        ],
        [2, 4, 8, 8],
      ),
      kernel("update/stage1.layer1.conv.weight/Add", "Add", add, [[4, 1, 3, 3]], [4, 1, 3, 3]),
      { cat: "Session", name: "SequentialExecutor::Execute", dur: total, args: {} },
    ];
    const events = [...step(9000, 900, 20_000), ...step(100, 10, 120), ...step(300, 30, 350), ...step(200, 20, 250)];
    const profile = readProfile("convnet", events, network.graph);
    expect(profile.milliseconds).toBeCloseTo(0.24);
    expect(profile.betweenNodes).toBeCloseTo(0.02);
    const [layer] = shares(profile, (node) => node.layer);
    expect(layer).toMatchObject({ key: "stage1.layer1.conv", nodes: 2, byPhase: { forward: 0.2, update: 0.02 } });
    // 2 * 512 outputs * 9 in 0.2 ms
    expect(layer!.gflops).toBeCloseTo((2 * 512 * 9) / 0.2e6);
  });
});

describe("the operations of a step", () => {
  it("are two for each product in a sum", () => {
    expect(multiplications("Conv", [[2, 6, 8, 8], [4, 3, 3, 3], [4]], [2, 4, 8, 8])).toBe(2 * 512 * 27);
    expect(
      multiplications(
        "ConvTranspose",
        [
          [2, 4, 4, 4],
          [4, 3, 3, 3],
        ],
        [2, 3, 8, 8],
      ),
    ).toBe(2 * 128 * 27);
    expect(
      multiplications(
        "MatMul",
        [
          [5, 2, 3],
          [3, 7],
        ],
        [5, 2, 7],
      ),
    ).toBe(2 * 5 * 2 * 7 * 3);
    expect(
      multiplications(
        "MatMul",
        [
          [5, 2, 3],
          [5, 3, 7],
        ],
        [5, 2, 7],
      ),
    ).toBe(2 * 5 * 2 * 7 * 3);
    expect(
      multiplications(
        "FusedMatMul",
        [
          [5, 3, 2],
          [5, 7, 3],
        ],
        [5, 2, 7],
      ),
    ).toBe(2 * 5 * 2 * 7 * 3);
    expect(multiplications("Gemm", [[2, 3], [7, 3], [7]], [2, 7])).toBe(2 * 2 * 7 * 3);
    expect(
      multiplications(
        "Gemm",
        [
          [2, 3],
          [2, 7],
        ],
        [3, 7],
      ),
    ).toBe(2 * 3 * 7 * 2);
    expect(
      multiplications(
        "Add",
        [
          [2, 3],
          [2, 3],
        ],
        [2, 3],
      ),
    ).toBe(0);
  });

  it("count a layer three times, the first one twice", () => {
    const model = mlp({ hidden: [16, 32] }).build({ shape: [8], classes: 10, seed: 0, head });
    const weights = [...model.graph.initializers.keys()].filter((name) => name.endsWith(".weight"));
    const forward = [8 * 16, 16 * 32, 32 * 10].map((size) => 2 * 4 * size);
    expect(trainingOperations(model, [4, 8], new Set(weights))).toBe(2 * forward[0]! + 3 * (forward[1]! + forward[2]!));
  });
});
