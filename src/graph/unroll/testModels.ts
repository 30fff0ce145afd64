import { type Attributes, type Graph, int, ints, type Model, type Node, type Tensor } from "../../onnx/types.js";

// For tests only: graphs written as lines, "y, z = Split(x, sizes)", as control flow needs many small ones.

export interface Written {
  /** One node a line. */
  readonly lines: readonly (string | readonly [line: string, attributes: Attributes])[];
  /** `name` is a float32 tensor of any shape; others with their type. */
  readonly inputs?: readonly (string | Graph["inputs"][number])[];
  /** ONNX Runtime wants to know the shapes of what a Scan's body gives. */
  readonly outputs: readonly (string | Graph["outputs"][number])[];
  readonly constants?: Readonly<Record<string, Tensor>>;
}

export function graphOf(name: string, { lines, inputs = [], outputs, constants = {} }: Written): Graph {
  return {
    name,
    nodes: lines.map((line) => (typeof line === "string" ? nodeOf(line) : nodeOf(...line))),
    inputs: inputs.map((input) =>
      typeof input === "string" ? { name: input, dtype: "float32", shape: undefined } : input,
    ),
    outputs: outputs.map((output) =>
      typeof output === "string" ? { name: output, dtype: undefined, shape: undefined } : output,
    ),
    initializers: new Map(Object.entries(constants)),
    valueInfo: [],
  };
}

export function nodeOf(line: string, attributes: Attributes = {}): Node {
  const [, outputs, op, inputs] = /^(.*?) = (\w+)\((.*)\)$/.exec(line)!;
  const names = (list: string) => (list === "" ? [] : list.split(",").map((name) => name.trim()));
  return {
    op: op!,
    domain: "",
    name: names(outputs!).find((name) => name !== "")!,
    inputs: names(inputs!),
    outputs: names(outputs!),
    attributes,
  };
}

export const body = (written: Written, name = "body"): Attributes => ({
  body: { kind: "graph", value: graphOf(name, written) },
});

export const branches = (then: Written, otherwise: Written): Attributes => ({
  then_branch: { kind: "graph", value: graphOf("then", then) },
  else_branch: { kind: "graph", value: graphOf("else", otherwise) },
});

/** Inputs of a Loop's body: the number of the trip and the condition, then floats. */
export const trip = (...carried: readonly (string | Graph["inputs"][number])[]): Written["inputs"] => [
  { name: "i", dtype: "int64", shape: [] },
  { name: "going", dtype: "bool", shape: [] },
  ...carried,
];

export function modelOf(written: Written, opset = 21): Model {
  return {
    graph: graphOf("model", written),
    irVersion: 8,
    opsets: new Map([["", opset]]),
    producerName: "",
    producerVersion: "",
    metadata: new Map(),
  };
}

export const i64 = (...numbers: number[]): Tensor => ({
  dtype: "int64",
  shape: [numbers.length],
  data: BigInt64Array.from(numbers, BigInt),
});
export const scalar = (number: number | bigint): Tensor => ({
  dtype: "int64",
  shape: [],
  data: BigInt64Array.of(BigInt(number)),
});
export const truth = (holds: boolean): Tensor => ({ dtype: "bool", shape: [], data: Uint8Array.of(holds ? 1 : 0) });
/** Numbers between -1/2 and 1/2. */
export const floats = (shape: readonly number[], seed = 1): Tensor => ({
  dtype: "float32",
  shape,
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(seed * 17 + 3.7 * i) / 2),
});

/** An LSTM cell of `units` units: gates = x W + h R + b in the order i, o, f, c; h and c after one step from `x`, `h`, `c`. */
const cell = (name: string): Written["lines"] => [
  `${name}xw = MatMul(${name}, W)`,
  "hr = MatMul(h, R)",
  `sum = Add(${name}xw, hr)`,
  "gates = Add(sum, B)",
  ["gi, go, gf, gc = Split(gates)", { axis: int(1), num_outputs: int(4) }],
  "si = Sigmoid(gi)",
  "so = Sigmoid(go)",
  "sf = Sigmoid(gf)",
  "tc = Tanh(gc)",
  "kept = Mul(sf, c)",
  "added = Mul(si, tc)",
  "c2 = Add(kept, added)",
  "t2 = Tanh(c2)",
  "h2 = Mul(so, t2)",
];

export interface LstmSizes {
  readonly features: number;
  readonly units: number;
}

const weights = ({ features, units }: LstmSizes): Readonly<Record<string, Tensor>> => ({
  W: floats([features, 4 * units], 1),
  R: floats([units, 4 * units], 2),
  B: floats([4 * units], 3),
});

/** States of zeros, for as many examples as x [N, ...] has. */
const states = (x: string): Written["lines"] => [
  `sizes = Shape(${x})`,
  "examples = Slice(sizes, from, to, from)",
  ["stateShape = Concat(examples, units)", { axis: int(0) }],
  "h0 = ConstantOfShape(stateShape)",
  "c0 = ConstantOfShape(stateShape)",
];

const stateConstants = ({ units }: LstmSizes): Readonly<Record<string, Tensor>> => ({
  from: i64(0),
  to: i64(1),
  units: i64(units),
});

/** x [N, T, F] -> all h [T, N, units] and the last one; a Scan over axis 1, with the weights inside its body. */
export function lstmAsScan(sizes: LstmSizes): Written {
  return {
    lines: [
      ...states("x"),
      [
        "h_last, c_last, all = Scan(h0, c0, x)",
        {
          num_scan_inputs: int(1),
          scan_input_axes: ints([1]),
          ...body({
            lines: [...cell("xt"), "out = Identity(h2)"],
            inputs: ["h", "c", "xt"],
            outputs: ["h2", "c2", "out"],
            constants: weights(sizes),
          }),
        },
      ],
    ],
    outputs: ["h_last", "all"],
    constants: stateConstants(sizes),
  };
}

/**
 * The same as a Loop, as TensorFlow's exporter writes a while loop: a counter is carried along and compared with the length that x has, the element is
 * gathered inside, and the number of trips is as good as unlimited.
 */
export function lstmAsLoop(sizes: LstmSizes): Written {
  return {
    lines: [
      ...states("x"),
      ["turned = Transpose(x)", { perm: ints([1, 0, 2]) }],
      "shape = Shape(turned)",
      "first = Slice(shape, begin, end, zeroth)",
      "length64 = Squeeze(first, zeroth)",
      ["length = Cast(length64)", { to: int(6) }],
      "going0 = Less(time0, length)",
      [
        "time_last, h_last, c_last, all = Loop(limit, going0, time0, h0, c0)",
        body({
          lines: [
            ["xt = Gather(turned, time)", { axis: int(0) }],
            ...cell("xt"),
            "time2 = Add(time, one)",
            "goes_on = Less(time2, length)",
            "out = Identity(h2)",
          ],
          inputs: trip({ name: "time", dtype: "int32", shape: [] }, "h", "c"),
          outputs: ["goes_on", "time2", "h2", "c2", "out"],
          constants: { ...weights(sizes), one: { dtype: "int32", shape: [], data: Int32Array.of(1) } },
        }),
      ],
    ],
    outputs: ["h_last", "all"],
    constants: {
      limit: scalar(2n ** 63n - 1n),
      time0: { dtype: "int32", shape: [], data: Int32Array.of(0) },
      begin: i64(0),
      end: i64(1),
      zeroth: i64(0),
      ...stateConstants(sizes),
    },
  };
}
