import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { GraphBuilder, type Value } from "../../graph/index.js";
import { lower } from "../../lowering/index.js";
import { encode } from "../../onnx/index.js";
import { type Attribute, elementCount, type Graph, int, onnxDataType, type Tensor } from "../../onnx/types.js";
import { differentiate } from "../differentiate.js";
import "../rules/index.js";

export interface GradientCheck {
  /** Builds the function under test; its output may have any shape. Called more than once, so it must be pure. */
  readonly build: (b: GraphBuilder, inputs: readonly Value[]) => Value;
  /** Contents of the inputs. Keep them away from points where the function has no derivative, by more than the step. */
  readonly inputs: readonly Tensor[];
  /** Indices of the inputs to differentiate by; all that are float32 by default. */
  readonly wrt?: readonly number[];
  /** Largest difference allowed, relative to the gradient (see `checkGradient`). */
  readonly tolerance?: number;
  /** Half the distance between the two points of a central difference. */
  readonly step?: number;
  readonly opset?: number;
}

const coordinatesPerInput = 40;

/**
 * Compares dL/dx by `differentiate`, lowered for the CPU and run in float32, with central differences
 * (L(x + h e) - L(x - h e)) / 2h, where L is the sum of the output's elements times fixed random coefficients.
 *
 * The differenced function is the same graph with float64 in place of float32, so that rounding does not hide the
 * difference: with h = 1e-4 the differences are good to about 1e-8 and what remains is the rounding of the analytic float32
 * gradient, far below the tolerance of 1e-4. Where ONNX Runtime has no float64 kernel (Conv, pooling) the function runs in
 * float32 and only L is summed in float64; there h = 1/32 balances rounding (1e-7 / h) against curvature (h^2 / 6 f'''), and
 * the tolerance is 2e-3.
 *
 * A difference counts relative to the gradient at that coordinate or, where larger, to the root mean square of the gradient over the
 * coordinates compared. At most 40 coordinates of an input are compared, evenly spread.
 *
 * @returns in which precision the differences were taken
 * @throws Error naming operator, input and coordinate, with both values
 */
export async function checkGradient(check: GradientCheck): Promise<"float64" | "float32"> {
  const { build, inputs } = check;
  const wrt = check.wrt ?? inputs.flatMap((input, index) => (input.dtype === "float32" ? [index] : []));

  const b = new GraphBuilder({ opset: check.opset });
  const values = inputs.map((input, index) => b.input(inputName(index), input.dtype, input.shape));
  const y = build(b, values);
  const coefficients = randomTensor(y.shape, { seed: 271828 });
  const operator = b.nodes.at(-1)?.op ?? "no node";
  const forward = { ...b.finish("forward"), outputs: [{ name: y.name, dtype: y.dtype, shape: y.shape }] };
  const loss = b.op("ReduceSum", [b.times(y, b.constant(coefficients))], { keepdims: int(0) });
  const gradients = differentiate(
    b,
    loss,
    wrt.map((index) => values[index]!),
  );
  gradients.forEach((gradient, k) => {
    const { name, shape } = values[wrt[k]!]!;
    if (gradient && String(gradient.shape) !== String(shape))
      throw new Error(`${operator}: the gradient of ${name} has shape [${gradient.shape}], not [${shape}]`);
    if (gradient) b.output(`gradient${k}`, gradient);
  });

  const analytic =
    b.outputs.length === 0 ? new Map<string, Tensor>() : await evaluate(b.finish("gradients"), inputs, b.opsets);
  const { run, precision } = await lossFunction(forward, y.name, coefficients.data, b.opsets, inputs);
  // Far from 0 the step is below float32's resolution, so it is taken in the precision of the differences.
  const points = precision === "float64" ? inputs.map(widen) : inputs;
  const step = check.step ?? (precision === "float64" ? 1e-4 : 1 / 32);
  const tolerance = check.tolerance ?? (precision === "float64" ? 1e-4 : 2e-3);

  for (const [k, index] of wrt.entries()) {
    const size = elementCount(inputs[index]!.shape);
    const gradient = analytic.get(`gradient${k}`)?.data ?? new Float32Array(size);
    const coordinates = spread(size, coordinatesPerInput);
    const differences: number[] = [];
    for (const coordinate of coordinates)
      differences.push(await centralDifference(run, points, index, coordinate, step));
    const typical = Math.sqrt(differences.reduce((sum, value) => sum + value * value, 0) / differences.length);
    coordinates.forEach((coordinate, n) => {
      const [actual, expected] = [Number(gradient[coordinate]), differences[n]!];
      const scale = Math.max(Math.abs(expected), typical, 1e-2);
      if (!(Math.abs(actual - expected) <= tolerance * scale))
        throw new Error(
          `${operator}: dL/d(input ${index})[${coordinate}] is ${actual} by its rule and ${expected} by central differences ` +
            `(${precision}, step ${step}, tolerance ${tolerance} of ${scale.toPrecision(3)})`,
        );
    });
  }
  return precision;
}

/** Runs a graph whose inputs are named by `inputName` on ONNX Runtime's CPU provider; returns its outputs by name. */
export async function evaluate(
  graph: Graph,
  inputs: readonly Tensor[],
  opsets: ReadonlyMap<string, number>,
): Promise<ReadonlyMap<string, Tensor>> {
  return (await open(lowerAbstract(graph, opsets), opsets))(inputs);
}

export function inputName(index: number): string {
  return `input${index}`;
}

export interface RandomTensorOptions {
  readonly seed?: number;
  /** Uniform in [low, high); [-1, 1) by default. */
  readonly low?: number;
  readonly high?: number;
  /** Values near these points are moved away from them to a distance of `gap` (0.1 by default). */
  readonly awayFrom?: readonly number[];
  readonly gap?: number;
}

/** A float32 tensor of uniform random numbers, the same for the same arguments. */
export function randomTensor(shape: readonly number[], options: RandomTensorOptions = {}) {
  const { seed = 1, low = -1, high = 1, awayFrom = [], gap = 0.1 } = options;
  const generator = xoroshiro128plus(seed);
  const data = Float32Array.from({ length: elementCount(shape) }, () => {
    let value = low + ((generator.next() >>> 0) / 2 ** 32) * (high - low);
    for (const point of awayFrom) if (Math.abs(value - point) < gap) value = point + (value < point ? -gap : gap);
    return value;
  });
  return { dtype: "float32", shape, data } as const;
}

/** A float32 tensor whose elements are all different, at least `gap` apart, in a random order and centred on 0: no ties for maxima. */
export function distinctTensor(shape: readonly number[], options: { seed?: number; gap?: number } = {}) {
  const { seed = 1, gap = 0.1 } = options;
  const count = elementCount(shape);
  const generator = xoroshiro128plus(seed);
  const keys = Array.from({ length: count }, (_, index) => ({ index, key: generator.next() }));
  const data = new Float32Array(count);
  keys
    .sort((a, b) => a.key - b.key)
    .forEach(({ index }, rank) => {
      data[index] = (rank - (count - 1) / 2) * gap;
    });
  return { dtype: "float32", shape, data } as const;
}

type Run = (inputs: readonly Tensor[]) => Promise<number>;

async function centralDifference(
  run: Run,
  inputs: readonly Tensor[],
  index: number,
  coordinate: number,
  step: number,
): Promise<number> {
  const at = async (offset: number): Promise<{ x: number; loss: number }> => {
    const input = inputs[index] as Extract<Tensor, { dtype: "float32" | "float64" }>;
    const moved = { ...input, data: input.data.slice() } as typeof input;
    moved.data[coordinate]! += offset;
    return { x: moved.data[coordinate]!, loss: await run(inputs.with(index, moved)) };
  };
  const [above, below] = [await at(step), await at(-step)];
  return (above.loss - below.loss) / (above.x - below.x);
}

/** L as a function of the inputs, in float64 where the runtime has the kernels. */
async function lossFunction(
  forward: Graph,
  output: string,
  coefficients: Float32Array,
  opsets: ReadonlyMap<string, number>,
  inputs: readonly Tensor[],
): Promise<{ run: Run; precision: "float64" | "float32" }> {
  const summed =
    (evaluate: Awaited<ReturnType<typeof open>>): Run =>
    async (inputs) => {
      const y = (await evaluate(inputs)).get(output)!.data;
      return coefficients.reduce((sum, coefficient, index) => sum + coefficient * Number(y[index]), 0);
    };
  const lowered = lowerAbstract(forward, opsets);
  try {
    const run = summed(await open(inDouble(lowered), opsets));
    // LSTM and GRU refuse float64 only when they run.
    await run(inputs);
    return { run, precision: "float64" };
  } catch (error) {
    // No float64 kernel (the second wording where the runtime fused nodes into one), or no float64 in the operator's schema.
    const refusals = /could not find an implementation|failed to find kernel|type error|does not support double/i;
    if (!refusals.test(String(error))) throw error;
    return { run: summed(await open(lowered, opsets)), precision: "float32" };
  }
}

/** `count` of the numbers below `size`, evenly spread; all of them where there are no more. */
function spread(size: number, count: number): number[] {
  return Array.from({ length: Math.min(size, count) }, (_, n) => Math.floor((n * size) / Math.min(size, count)));
}

function lowerAbstract(graph: Graph, opsets: ReadonlyMap<string, number>): Graph {
  return graph.nodes.some(({ domain }) => domain === "isonorm") ? lower(graph, "cpu", { opsets }) : graph;
}

async function open(graph: Graph, opsets: ReadonlyMap<string, number>) {
  const bytes = encode({
    graph,
    irVersion: 8,
    opsets: new Map([...opsets].filter(([domain]) => domain !== "isonorm")),
    producerName: "isonorm",
    producerVersion: "",
    metadata: new Map(),
  });
  const session = await InferenceSession.create(bytes, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 4,
  });
  const wanted = new Map(graph.inputs.map(({ name, dtype }) => [name, dtype]));
  return async (inputs: readonly Tensor[]): Promise<ReadonlyMap<string, Tensor>> => {
    const feeds: Record<string, OrtTensor> = {};
    inputs.forEach((input, index) => {
      const data =
        wanted.get(inputName(index)) === "float64" && input.dtype === "float32"
          ? Float64Array.from(input.data)
          : input.data;
      feeds[inputName(index)] = new OrtTensor(
        wanted.get(inputName(index)) as "float32",
        data as Float32Array,
        input.shape,
      );
    });
    const results = await session.run(feeds);
    return new Map(
      Object.entries(results).map(([name, { type, dims, data }]) => [
        name,
        { dtype: type, shape: dims, data } as unknown as Tensor,
      ]),
    );
  };
}

function widen(tensor: Tensor): Tensor {
  return tensor.dtype === "float32" ? { ...tensor, dtype: "float64", data: Float64Array.from(tensor.data) } : tensor;
}

/** The same graph with float64 wherever it has float32. */
function inDouble(graph: Graph): Graph {
  const attribute = (name: string, value: Attribute): Attribute => {
    if (value.kind === "tensor") return { kind: "tensor", value: widen(value.value) };
    if ((name === "to" || name === "dtype") && value.kind === "int" && value.value === onnxDataType.float32)
      return int(onnxDataType.float64);
    return value;
  };
  const info = <T extends { readonly dtype: unknown }>(value: T): T =>
    value.dtype === "float32" ? { ...value, dtype: "float64" } : value;
  return {
    ...graph,
    nodes: graph.nodes.map((node) => ({
      ...node,
      attributes: Object.fromEntries(
        Object.entries(node.attributes).map(([name, value]) => [name, attribute(name, value)]),
      ),
    })),
    inputs: graph.inputs.map(info),
    outputs: graph.outputs.map(info),
    initializers: new Map([...graph.initializers].map(([name, tensor]) => [name, widen(tensor)])),
    valueInfo: [],
  };
}
