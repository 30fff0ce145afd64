import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { checkGradient, randomTensor } from "../../src/autodiff/testing/finiteDifference.js";
import { IsonormError } from "../../src/errors.js";
import { inferGraph, inline, unroll, upgrade } from "../../src/graph/index.js";
import { decode, encode, type Model, type Tensor } from "../../src/onnx/index.js";
import type { NodeCase } from "./cases.js";

export type Verdict =
  | {
      readonly kind: "yes" /** For gradients: at points moved inwards, not at the case's own. */;
      readonly moved?: boolean;
    }
  /** It does not apply to the case. */
  | { readonly kind: "no"; readonly why: string }
  /** isonorm refuses, with an error of its own. */
  | { readonly kind: "missing"; readonly why: string }
  /** isonorm is wrong. */
  | { readonly kind: "fails"; readonly why: string };

export interface CaseResult {
  readonly name: string;
  readonly operators: readonly string[];
  /** ONNX Runtime runs the model. */
  readonly runs: Verdict;
  /** Decoded and encoded again, the model gives ONNX Runtime's results to the bit. */
  readonly rewritten: Verdict;
  /** Upgraded to today's operator set, it gives the same results within 1e-4. */
  readonly upgraded: Verdict;
  /** Inferred types of the outputs are those of the expected ones. */
  readonly inferred: Verdict;
  /** Gradients agree with finite differences. */
  readonly gradient: Verdict;
}

const yes: Verdict = { kind: "yes" };
const no = (why: string): Verdict => ({ kind: "no", why });
const missing = (why: string): Verdict => ({ kind: "missing", why });
const fails = (why: string): Verdict => ({ kind: "fails", why });

export async function checkCase(node: NodeCase): Promise<CaseResult> {
  const feeds = node.inputs.every((tensor) => tensor !== undefined) ? node.inputs : undefined;
  const original = feeds ? await tryRun(node.model, feeds) : "its inputs are no tensors";
  const runs = typeof original === "string" ? no(original) : yes;

  let model: Model;
  try {
    model = decode(node.model);
  } catch (error) {
    const refused = missing(reason(error));
    const gradient = no("isonorm does not read it");
    return {
      name: node.name,
      operators: [],
      runs,
      rewritten: refused,
      upgraded: refused,
      inferred: refused,
      gradient,
    };
  }
  const operators = [...new Set(model.graph.nodes.map(({ op, domain }) => (domain ? `${domain}:${op}` : op)))];
  const result = { name: node.name, operators, runs };
  if (!feeds) {
    const unfed = no("its inputs are no tensors");
    return { ...result, rewritten: unfed, upgraded: unfed, inferred: unfed, gradient: unfed };
  }
  const again = await tryRun(encode(model), feeds);
  const rewritten = compareRuns(original, again, (a, b) => Buffer.compare(bytes(a), bytes(b)) === 0);
  const expected = node.outputs ?? (typeof original === "string" ? [] : original.map(typeOf));
  const form = formOf(model, feeds);
  if ("kind" in form) {
    const floating = [feeds, expected].every((tensors) => tensors.some((tensor) => tensor?.dtype === "float32"));
    const gradient = floating ? form : no("no float32 input or output");
    return { ...result, rewritten, upgraded: form, inferred: form, gradient };
  }
  const inferred = compareTypes(form, expected);
  if (typeof original === "string") return { ...result, rewritten, upgraded: runs, inferred, gradient: runs };
  const after = await tryRun(
    encode(form.model),
    form.rest.map(({ tensor }) => tensor),
  );
  return {
    ...result,
    rewritten,
    upgraded: compareRuns(original, after, close),
    inferred,
    gradient: await checkGradients(form, original),
  };
}

/** The model upgraded and unrolled, with some of its inputs made constants. */
interface Form {
  readonly model: Model;
  readonly rest: readonly { readonly name: string; readonly tensor: Tensor }[];
  readonly values: ReturnType<typeof inferGraph>;
}

/**
 * Shapes, axes and the like must be constant for isonorm; in the cases they are inputs. So as few inputs as shape inference needs are made
 * constant: none, all integers, all but the first, all.
 */
function formOf(model: Model, feeds: readonly Tensor[]): Form | Verdict {
  const kept: readonly ((tensor: Tensor, index: number) => boolean)[] = [
    () => true,
    ({ dtype }) => dtype.startsWith("float"),
    (_, index) => index === 0,
    () => false,
  ];
  const inputs = model.graph.inputs.map(({ name }, index) => ({ name, tensor: feeds[index]! }));
  let problem: Verdict | undefined;
  for (const keep of kept) {
    const rest = inputs.filter(({ tensor }, index) => keep(tensor, index));
    const constants = inputs.filter((input) => !rest.includes(input));
    try {
      const bound = upgrade({
        ...model,
        graph: {
          ...model.graph,
          inputs: rest.map(({ name, tensor }) => ({ name, dtype: tensor.dtype, shape: tensor.shape })),
          initializers: new Map([
            ...model.graph.initializers,
            ...constants.map(({ name, tensor }) => [name, tensor] as const),
          ]),
        },
      });
      const { model: plain, unresolved } = unroll(
        bound,
        new Map(rest.map(({ name, tensor }) => [name, typed(tensor)])),
      );
      for (const reason of unresolved.values())
        throw new IsonormError("ISO_ONNX_UNSUPPORTED", reason, "Make what it depends on constant");
      return { model: plain, rest, values: inferGraph(plain.graph, plain.opsets) };
    } catch (error) {
      if (!(error instanceof IsonormError)) return fails(reason(error));
      problem ??= missing(reason(error));
    }
  }
  return problem!;
}

const typed = ({ dtype, shape }: Tensor) => ({ dtype, shape });

type Expected = Pick<Tensor, "dtype" | "shape"> | undefined;

const typeOf = ({ type, dims }: OrtTensor): Expected => ({ dtype: type as Tensor["dtype"], shape: dims });

function compareTypes({ model, values }: Form, expected: readonly Expected[]): Verdict {
  const different = model.graph.outputs.flatMap(({ name }, index) => {
    const [inferred, wanted] = [values.get(name), expected[index]];
    // The suite of onnx 1.12 holds bfloat16 as uint16.
    if (!wanted || (inferred?.dtype === "bfloat16" && wanted.dtype === "uint16")) return [];
    const [a, b] = [inferred, wanted].map((type) => (type ? `${type.dtype} [${type.shape}]` : "nothing"));
    return a === b ? [] : [`output ${index} inferred ${a}, expected ${b}`];
  });
  return different.length === 0 ? yes : fails(different.join("; "));
}

/** Steps of central differences that are shorter than the default one, for functions that bend more, with the rounding that they let in. */
const shorter = { step: 1 / 256, tolerance: 5e-3 };

/**
 * Every float32 output by every float32 input, at the case's inputs, if need be with shorter steps; where these inputs lie at a kink or at the
 * edge of the domain, near other points between them.
 */
async function checkGradients({ model, rest, values }: Form, results: Results): Promise<Verdict> {
  if (!rest.some(({ tensor }) => tensor.dtype === "float32" && tensor.data.length > 0)) return no("no float32 input");
  const outputs = model.graph.outputs.filter(({ name }) => values.get(name)?.dtype === "float32");
  if (outputs.length === 0) return no("no float32 output");
  if (model.graph.nodes.some(({ op }) => op.startsWith("Random"))) return no("its results are random");
  const finite = results.every(({ data, type }) => type !== "float32" || (data as Float32Array).every(Number.isFinite));
  if (!finite) return no("its results are not finite");
  let problem: Verdict | undefined;
  for (let attempt = 0; attempt < 8; attempt++) {
    const moved = attempt >= 2;
    try {
      for (const output of outputs)
        await checkGradient({
          inputs: rest.map(({ tensor }, index) => (moved ? inward(tensor, 10 * attempt + index) : tensor)),
          opset: model.opsets.get("") ?? 1,
          ...(attempt % 2 === 1 && shorter),
          build: (b, inputs) => {
            const bindings = new Map(rest.map(({ name }, index) => [name, inputs[index]!]));
            return inline(b, model, bindings).get(output.name)!;
          },
        });
      return { kind: "yes", moved };
    } catch (error) {
      if (error instanceof IsonormError && error.code === "ISO_AUTODIFF_NO_RULE") return missing(reason(error));
      problem ??= fails(reason(error));
    }
  }
  return problem!;
}

/** The tensor drawn halfway to the middle of its values, and shifted a little, each element otherwise. */
function inward(tensor: Tensor, seed: number): Tensor {
  if (tensor.dtype !== "float32") return tensor;
  const [low, high] = [Math.min(...tensor.data), Math.max(...tensor.data)];
  const shift = randomTensor([tensor.data.length], { seed, low: -0.05, high: 0.05 }).data;
  return { ...tensor, data: tensor.data.map((value, index) => (value + (low + high) / 2) / 2 + shift[index]!) };
}

type Results = readonly OrtTensor[];

async function tryRun(model: Uint8Array, feeds: readonly Tensor[]): Promise<Results | string> {
  try {
    const session = await InferenceSession.create(model, {
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      logSeverityLevel: 4,
    });
    try {
      const named = session.inputNames.map((name, index) => [name, ortTensor(feeds[index]!)] as const);
      const results = await session.run(Object.fromEntries(named));
      return session.outputNames.map((name) => results[name] as OrtTensor);
    } finally {
      await session.release();
    }
  } catch (error) {
    return `ONNX Runtime: ${reason(error)}`;
  }
}

function ortTensor({ dtype, shape, data }: Tensor): OrtTensor {
  const dims = [...shape];
  if (dtype === "string") return new OrtTensor("string", [...data], dims);
  return new OrtTensor(dtype as "float32", data as Float32Array, dims);
}

function compareRuns(
  before: Results | string,
  after: Results | string,
  equal: (a: OrtTensor, b: OrtTensor) => boolean,
): Verdict {
  if (typeof before === "string") return no(before);
  if (typeof after === "string") return fails(after);
  const different = before.findIndex((tensor, index) => {
    const other = after[index];
    return !other || tensor.type !== other.type || String(tensor.dims) !== String(other.dims) || !equal(tensor, other);
  });
  return different === -1 ? yes : fails(`output ${different} differs`);
}

function bytes({ type, data }: OrtTensor): Uint8Array {
  if (type === "string") return Buffer.from(JSON.stringify(data));
  const { buffer, byteOffset, byteLength } = data as Float32Array;
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Equal within 1e-4 of the larger one, or 1e-5. */
function close(a: OrtTensor, b: OrtTensor): boolean {
  const [left, right] = [a.data, b.data].map((data) => Array.from(data as ArrayLike<number | bigint | string>));
  return left!.every((value, index) => {
    const other = right![index]!;
    if (value === other || (Number.isNaN(value) && Number.isNaN(other))) return true;
    const [x, y] = [Number(value), Number(other)];
    return Math.abs(x - y) <= Math.max(1e-4 * Math.max(Math.abs(x), Math.abs(y)), 1e-5);
  });
}

function reason(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0]!;
}
