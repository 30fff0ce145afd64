import { expect, it } from "vitest";
import { eliminateDeadNodes, GraphBuilder, type Value } from "../../graph/index.js";
import { float, int } from "../../onnx/types.js";
import { differentiate } from "../differentiate.js";
import { describeGradients } from "../testing/describeGradients.js";
import { evaluate, type GradientCheck, inputName, randomTensor } from "../testing/finiteDifference.js";

const shapes = [
  [6, 3],
  [4, 3, 5],
  [3, 4, 3, 2],
  [2, 3, 2, 3, 2],
];
const epsilon = { epsilon: float(1e-3) };
const parameters = (channels: number) => [
  randomTensor([channels], { seed: 2, low: 0.5, high: 1.5 }),
  randomTensor([channels], { seed: 3 }),
];

describeGradients(
  "BatchNormTraining",
  Object.fromEntries(
    shapes.flatMap((shape): [string, GradientCheck][] => {
      const inputs = [randomTensor(shape, { seed: 1, low: -2, high: 3 }), ...parameters(shape[1]!)];
      const output = (index: number): GradientCheck => ({
        inputs,
        wrt: index === 0 ? [0, 1, 2] : [0],
        build: (b, values) => b.abstract("BatchNormTraining", values, epsilon)[index]!,
      });
      return [
        [`y of [${shape}]`, output(0)],
        [`mean of [${shape}]`, output(1)],
        [`variance of [${shape}]`, output(2)],
        [
          `y, mean and variance of [${shape}] together`,
          {
            inputs,
            build: (b, values) => {
              const [y, mean, variance] = b.abstract("BatchNormTraining", values, epsilon) as [Value, Value, Value];
              const perChannel = b.reshape(b.times(mean, variance), [shape[1]!, ...shape.slice(2).map(() => 1)]);
              return b.times(y, perChannel);
            },
          },
        ],
      ];
    }),
  ),
);

describeGradients(
  "BatchNormalization with running statistics",
  Object.fromEntries(
    shapes.map((shape): [string, GradientCheck] => {
      const [mean, spread] = [
        randomTensor([shape[1]!], { seed: 4 }),
        randomTensor([shape[1]!], { seed: 5, low: 1, high: 2 }),
      ];
      return [
        `all inputs, x of [${shape}]`,
        {
          inputs: [randomTensor(shape, { seed: 1 }), ...parameters(shape[1]!), mean, spread],
          build: (b, values) => b.op("BatchNormalization", values, epsilon),
        },
      ];
    }),
  ),
);

// ONNX Runtime does not run training_mode on the CPU, so its gradient is compared with that of BatchNormTraining, which agrees with differences.
it("BatchNormalization with training_mode has the gradient of BatchNormTraining", async () => {
  const inputs = [
    randomTensor([3, 4, 3, 2], { seed: 1, low: -2, high: 3 }),
    ...parameters(4),
    randomTensor([4], { seed: 4 }),
    randomTensor([4], { seed: 5, low: 1, high: 2 }),
  ];
  const gradients = async (build: (b: GraphBuilder, values: readonly Value[]) => Value) => {
    const b = new GraphBuilder();
    const values = inputs.map(({ dtype, shape }, index) => b.input(inputName(index), dtype, shape));
    const weights = b.constant(randomTensor([3, 4, 3, 2], { seed: 9 }));
    const loss = b.sum(b.times(build(b, values), weights));
    differentiate(b, loss, values.slice(0, 3)).forEach((gradient, index) => {
      b.output(`gradient${index}`, gradient!);
    });
    const results = await evaluate(eliminateDeadNodes(b.finish("gradients")), inputs, b.opsets);
    return [0, 1, 2].map((index) => [...(results.get(`gradient${index}`)!.data as Float32Array)]);
  };
  const onnx = await gradients((b, values) =>
    b.op("BatchNormalization", values, { ...epsilon, training_mode: int(1) }),
  );
  const abstract = await gradients((b, values) => b.abstract("BatchNormTraining", values.slice(0, 3), epsilon)[0]!);
  expect(onnx).toEqual(abstract);
});

it("a loss of the running statistics has no gradient, and the error says so", () => {
  const b = new GraphBuilder();
  const x = b.input("x", "float32", [4, 3]);
  const vectors = [1, 2, 3, 4].map((seed) => b.constant(randomTensor([3], { seed, low: 1, high: 2 })));
  const [, runningMean] = b.add("BatchNormalization", [x, ...vectors], { training_mode: int(1) });
  expect(() => differentiate(b, b.sum(runningMean!), [x])).toThrow(/the loss depends on its running statistics/);
});
