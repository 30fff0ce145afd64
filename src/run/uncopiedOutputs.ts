import { type InferenceSession, Tensor } from "onnxruntime-node";
import { elementCount, type Graph } from "../onnx/index.js";
import type { StepSession } from "../train/index.js";

/**
 * Runs without copies of their outputs.
 *
 * onnxruntime-node 1.30 converts every output of a run to a new tensor: it copies into fresh memory what ONNX Runtime has just written to the memory that was given for it. A training step puts out the
 * whole state, for 2 million weights 15 MB, and the garbage collector has as much to clear away: 2 of the 15 ms of such a step. Outputs are converted in the graph's order, after the run, and the first
 * one that is no tensor ends the conversion with an error. So here the graph gets an empty sequence as its first output; a run that asks for it, with memory given for all others, is over when that error
 * comes. A version that returns instead of throwing is as welcome: what it returns is not looked at.
 */
const noTensor = "no tensor";
const refusal = /^Non tensor type/;

/** The graph with an output before all others that onnxruntime-node does not convert. */
export function withUnconvertedOutput(graph: Graph): Graph {
  const empty = { op: "SequenceEmpty", domain: "", name: noTensor, inputs: [], outputs: [noTensor], attributes: {} };
  return {
    ...graph,
    nodes: [empty, ...graph.nodes],
    outputs: [{ name: noTensor, dtype: undefined, shape: undefined }, ...graph.outputs],
  };
}

/**
 * A session of such a graph as one of the graph without that output, whose runs give back the very tensors that were given for the outputs, written. An output for which none was given gets one that the
 * next run writes again.
 *
 * @param session - its other outputs are float32, of known shapes
 */
export function uncopied(session: InferenceSession): StepSession {
  const own = new Map<string, Tensor>();
  const ownTensor = (name: string): Tensor => {
    const tensor = own.get(name) ?? tensorFor(session, name);
    own.set(name, tensor);
    return tensor;
  };
  const run = async (
    feeds: InferenceSession.FeedsType,
    fetches: Readonly<Record<string, Tensor | null>>,
  ): Promise<InferenceSession.ReturnType> => {
    const outputs = Object.fromEntries(
      Object.entries(fetches).map(([name, given]) => [name, given ?? ownTensor(name)]),
    );
    try {
      await session.run(feeds, { [noTensor]: null, ...outputs });
    } catch (error) {
      if (!(error instanceof Error && refusal.test(error.message))) throw error;
    }
    return outputs;
  };
  return { run: run as StepSession["run"], release: () => session.release() };
}

function tensorFor({ outputMetadata }: InferenceSession, name: string): Tensor {
  const output = outputMetadata.find((one) => one.name === name);
  const shape = output?.isTensor ? output.shape.map(Number) : [Number.NaN];
  if (shape.some(Number.isNaN)) throw new TypeError(`the session has no output ${name} of known shape`);
  return new Tensor("float32", new Float32Array(elementCount(shape)), shape);
}
