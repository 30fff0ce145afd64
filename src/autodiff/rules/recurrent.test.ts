import { type Attribute, type Attributes, int, string, type Tensor } from "../../onnx/types.js";
import { describeGradients } from "../testing/describeGradients.js";
import { type GradientCheck, randomTensor } from "../testing/finiteDifference.js";

const [steps, batch, features, units] = [3, 2, 4, 3];
const gates = { RNN: 1, GRU: 3, LSTM: 4 } as const;

interface Options {
  readonly direction?: string;
  readonly bias?: boolean;
  readonly lengths?: readonly number[];
  readonly initial?: boolean;
  readonly peepholes?: boolean;
  readonly attributes?: Attributes;
  /** Which outputs are summed; all by default. */
  readonly outputs?: readonly number[];
}

function layer(op: keyof typeof gates, options: Options = {}): GradientCheck {
  const { direction = "forward", bias = true, lengths, initial, peepholes, attributes, outputs } = options;
  const directions = direction === "bidirectional" ? 2 : 1;
  const rows = gates[op] * units;
  const given: (Tensor | undefined)[] = [
    randomTensor([steps, batch, features], { seed: 1 }),
    randomTensor([directions, rows, features], { seed: 2 }),
    randomTensor([directions, rows, units], { seed: 3 }),
    bias ? randomTensor([directions, 2 * rows], { seed: 4 }) : undefined,
    lengths && { dtype: "int32", shape: [batch], data: Int32Array.from(lengths) },
    initial ? randomTensor([directions, batch, units], { seed: 5 }) : undefined,
    initial && op === "LSTM" ? randomTensor([directions, batch, units], { seed: 6 }) : undefined,
    peepholes ? randomTensor([directions, 3 * units], { seed: 7 }) : undefined,
  ];
  return {
    step: 1 / 128,
    inputs: given.filter((tensor) => tensor !== undefined),
    build: (b, values) => {
      const queue = [...values];
      const inputs = given.map((tensor) => tensor && queue.shift()!);
      const all = b.add(op, inputs, { hidden_size: int(units), direction: string(direction), ...attributes });
      const wanted = all.filter((_, index) => outputs?.includes(index) ?? true);
      return wanted.map((value) => b.sum(b.square(value))).reduce((sum, term) => b.plus(sum, term));
    },
  };
}

const relu: Attribute = { kind: "strings", value: ["Relu"] };

const layers: Readonly<Record<string, GradientCheck>> = {
  ...Object.fromEntries(
    (["RNN", "GRU", "LSTM"] as const).flatMap((op): [string, GradientCheck][] => [
      [op, layer(op)],
      [`${op}, reverse, without bias`, layer(op, { direction: "reverse", bias: false })],
      [`${op}, both ways, from states given`, layer(op, { direction: "bidirectional", initial: true })],
      [`${op}, sequences of two lengths, both ways`, layer(op, { direction: "bidirectional", lengths: [3, 1] })],
      [`${op}, its last state alone`, layer(op, { outputs: [1] })],
    ]),
  ),
  "GRU, linear before reset": layer("GRU", { attributes: { linear_before_reset: int(1) } }),
  "LSTM with peepholes": layer("LSTM", { peepholes: true, initial: true }),
  "LSTM, its memory alone": layer("LSTM", { outputs: [2] }),
  "RNN through Relu": layer("RNN", { attributes: { activations: relu } }),
};

describeGradients("recurrent layers", layers, "float32");
