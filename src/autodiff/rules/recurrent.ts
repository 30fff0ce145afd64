import { attributeFloat, attributeInt, attributeString, type GraphBuilder, type Value } from "../../graph/index.js";
import { int } from "../../onnx/types.js";
import { constantLike, zerosLike } from "../constantLike.js";
import { throughComposition } from "../differentiate.js";
import { type GradientContext, type GradientRule, registerGradient } from "../registry.js";
import { interval } from "./embedding.js";
import { unsupported } from "./operands.js";

// Recurrent layers, step by step: the gradient is that of the steps written out one after the other. T steps, B sequences, H units, D directions.

/** One step: the gates' share of the input [B, G H] and the states before it [B, H] each, to the states after it, the output first. */
type Cell = (b: GraphBuilder, x: Value, states: readonly Value[], weights: Weights) => readonly Value[];

/** Of one direction. */
interface Weights {
  /** R' [H, G H] */
  readonly recurrent: Value;
  /** The recurrent biases [G H], where they are not added to the input's. */
  readonly bias: Value | undefined;
  /** [3 H]: of LSTM's input, output and forget gates, looking at the memory. */
  readonly peepholes: Value | undefined;
  /** What the gates, the candidate and the output go through. */
  readonly activations: readonly ((x: Value) => Value)[];
}

/** H' = f(x + H R') */
const plain: Cell = (b, x, [h], { recurrent, activations: [f] }) => [f!(b.plus(x, b.matMul(h!, recurrent)))];

/**
 * Update gate z and reset gate r, candidate c, H' = (1 - z) c + z H. With linear_before_reset the reset gate works on H R' + bias, else on H.
 */
const gru =
  (linearBeforeReset: boolean): Cell =>
  (b, x, [h], { recurrent, bias, activations: [f, g] }) => {
    const [xz, xr, xc] = parts(b, x, 3);
    const [rz, rr, rc] = parts(b, recurrent, 3);
    const [bz, br, bc] = bias ? parts(b, bias, 3) : [];
    const gate = (x: Value, r: Value, bias?: Value) => f!(b.plus(x, affine(b, h!, r, bias)));
    const z = gate(xz!, rz!, bz);
    const r = gate(xr!, rr!, br);
    const recalled = linearBeforeReset ? b.times(r, affine(b, h!, rc!, bc)) : affine(b, b.times(r, h!), rc!, bc);
    const c = g!(b.plus(xc!, recalled));
    // (1 - z) c + z H = c + z (H - c)
    return [b.plus(c, b.times(z, b.minus(h!, c)))];
  };

/** Gates i, o, f and candidate c: C' = f C + i c, H' = o h(C'). Peepholes add p C to i and f, and p C' to o. */
const lstm: Cell = (b, x, [h, memory], { recurrent, peepholes, activations: [f, g, output] }) => {
  const [i, o, forget, c] = parts(b, b.plus(x, b.matMul(h!, recurrent)), 4) as [Value, Value, Value, Value];
  const [pi, po, pf] = peepholes ? parts(b, peepholes, 3) : [];
  const looking = (gate: Value, p: Value | undefined, at: Value) => f!(p ? b.plus(gate, b.times(p, at)) : gate);
  const kept = b.times(looking(forget, pf, memory!), memory!);
  const next = b.plus(kept, b.times(looking(i, pi, memory!), g!(c)));
  return [b.times(looking(o, po, next), output!(next)), next];
};

/** x r + bias */
function affine(b: GraphBuilder, x: Value, r: Value, bias: Value | undefined): Value {
  return bias ? b.plus(b.matMul(x, r), bias) : b.matMul(x, r);
}

/** x in equal parts along its last axis. */
function parts(b: GraphBuilder, x: Value, count: number): readonly Value[] {
  const size = x.shape.at(-1)! / count;
  const sizes = b.int64(Array.from({ length: count }, () => size));
  return b.add("Split", [x, sizes], { axis: int(x.shape.length - 1) }, { outputs: count });
}

interface Layer {
  readonly gates: number;
  /** How many states there are: the output alone, or with LSTM's memory. */
  readonly states: number;
  readonly activations: readonly string[];
  readonly cell: (context: GradientContext) => Cell;
}

const recurrent =
  (layer: Layer): GradientRule =>
  (context) => {
    const { b, inputs, dy, wants, node, attributes } = context;
    for (const [name, harmless] of [
      ["layout", 0],
      ["input_forget", 0],
    ] as const)
      if (attributeInt(attributes, name, harmless) !== harmless)
        throw unsupported(node, `${name} is not ${harmless}`, "Export the model without it");
    if (attributeFloat(attributes, "clip", 0) !== 0)
      throw unsupported(node, "it clips", "Export the model without clipping");
    const trained = inputs.flatMap((value, index) => (value && wants(index) ? [{ value, index }] : []));
    const gradients = throughComposition(
      b,
      () => unrolled(context, layer),
      dy,
      trained.map(({ value }) => value),
    );
    return inputs.map((_, index) => gradients[trained.findIndex((entry) => entry.index === index)]);
  };

/** Y [T, D, B, H], then each state after the last step [D, B, H]. */
function unrolled(context: GradientContext, layer: Layer): readonly Value[] {
  const { b, attributes } = context;
  const direction = attributeString(attributes, "direction", "forward");
  const directions = direction === "bidirectional" ? [false, true] : [direction === "reverse"];
  const runs = directions.map((reverse, index) => oneDirection(context, layer, index, reverse));
  const joined = (values: readonly Value[], axis: number) =>
    values.length === 1 ? values[0]! : b.op("Concat", values, { axis: int(axis) });
  return [
    joined(
      runs.map(({ y }) => y),
      1,
    ),
    ...Array.from({ length: layer.states }, (_, state) =>
      joined(
        runs.map(({ last }) => last[state]!),
        0,
      ),
    ),
  ];
}

/**
 * The steps of one direction. A sequence shorter than T keeps its state and gives 0 after its end; backwards it starts there.
 */
function oneDirection(context: GradientContext, layer: Layer, index: number, reverse: boolean) {
  const { b, inputs } = context;
  const [x, , , bias, lengths] = inputs as [Value, Value, Value, Value?, Value?];
  const [steps, batch] = x.shape as [number, number, number];
  const units = inputs[2]!.shape[2]!;
  const cell = layer.cell(context);
  const turned = reverse && lengths ? turn(b, x, lengths) : x;
  const biases = bias && parts(b, of(b, bias, index), 2);
  const transposed = (value: Value) => b.transpose(of(b, value, index), [1, 0]);
  const weights: Weights = {
    recurrent: transposed(inputs[2]!),
    bias: biases?.[1],
    peepholes: inputs[7] && of(b, inputs[7], index),
    activations: activationsOf(context, layer, index),
  };
  // GRU alone needs the recurrent bias where it is; elsewhere both are added to the input's share, for all steps at once.
  const added = biases && (layer.gates === 3 ? biases[0]! : b.plus(biases[0]!, biases[1]!));
  const share = affine(b, turned, transposed(inputs[1]!), added);
  const each = b.int64(Array.from({ length: steps }, () => 1));
  const atStep = b
    .add("Split", [share, each], { axis: int(0) }, { outputs: steps })
    .map((value) => b.reshape(value, [batch, layer.gates * units]));

  let states: readonly Value[] = Array.from({ length: layer.states }, (_, state) => {
    const initial = inputs[5 + state];
    return initial ? of(b, initial, index) : zerosLike(b, [batch, units], x);
  });
  const outputs = new Array<Value>(steps);
  for (let n = 0; n < steps; n++) {
    const step = reverse && !lengths ? steps - 1 - n : n;
    const next = cell(b, atStep[step]!, states, weights);
    const going = lengths && b.reshape(b.op("Less", [b.cast(b.int64([step]), lengths.dtype), lengths]), [batch, 1]);
    states = going ? next.map((value, state) => b.where(going, value, states[state]!)) : next;
    outputs[step] = b.reshape(going ? b.where(going, next[0]!, constantLike(b, 0, x)) : next[0]!, [1, 1, batch, units]);
  }
  const y = b.op("Concat", outputs, { axis: int(0) });
  return {
    y: reverse && lengths ? b.reshape(turn(b, b.reshape(y, [steps, batch, units]), lengths), y.shape) : y,
    last: states.map((value) => b.reshape(value, [1, batch, units])),
  };
}

/** [T, B, ...] with each sequence reversed up to its length. */
function turn(b: GraphBuilder, x: Value, lengths: Value): Value {
  return b.op("ReverseSequence", [x, b.cast(lengths, "int64")], { time_axis: int(0), batch_axis: int(1) });
}

/** The direction's part of a parameter [D, ...], without that axis. */
function of(b: GraphBuilder, parameter: Value, index: number): Value {
  return b.reshape(interval(b, parameter, 0, index, index + 1), parameter.shape.slice(1));
}

function activationsOf({ b, node, attributes }: GradientContext, layer: Layer, index: number) {
  const given = attributes.activations?.kind === "strings" ? attributes.activations.value : undefined;
  const count = layer.activations.length;
  const names = given?.slice(index * count, (index + 1) * count) ?? layer.activations;
  return names.map((name) => {
    const op = withoutParameters.get(name.toLowerCase());
    if (!op) throw unsupported(node, `its activation is ${name}`, "Use Sigmoid, Tanh, Relu, Softplus or Softsign");
    return (x: Value) => b.op(op, [x]);
  });
}

const withoutParameters = new Map(
  ["Sigmoid", "Tanh", "Relu", "Softplus", "Softsign"].map((name) => [name.toLowerCase(), name]),
);

registerGradient("RNN", recurrent({ gates: 1, states: 1, activations: ["Tanh"], cell: () => plain }));
registerGradient(
  "GRU",
  recurrent({
    gates: 3,
    states: 1,
    activations: ["Sigmoid", "Tanh"],
    cell: ({ attributes }) => gru(attributeInt(attributes, "linear_before_reset", 0) !== 0),
  }),
);
registerGradient(
  "LSTM",
  recurrent({ gates: 4, states: 2, activations: ["Sigmoid", "Tanh", "Tanh"], cell: () => lstm }),
);
