import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../graph/index.js";
import { randomTensor } from "../method/testing/run.js";
import { elementCount, encode, int, type Tensor } from "../onnx/index.js";
import { carryState, declareState } from "./declareState.js";
import type { StateTensor } from "./state.js";
import { HostBuffers } from "./stateBuffers.js";

const stateTensor = (name: string, shape: readonly number[], seed: number): StateTensor => ({
  name,
  role: "weight",
  weight: name,
  updated: true,
  initial: randomTensor(shape, seed),
});
const tensors = [
  stateTensor("a", [3], 1),
  stateTensor("b", [2, 2], 2),
  stateTensor("c", [], 3),
  stateTensor("d", [5], 4),
];

/** A step that takes from each tensor a tenth of its own square, and moves all of them as one. */
async function build(together: boolean) {
  const b = new GraphBuilder();
  const state = declareState(b, "all", tensors, together);
  const squares = state.parts.map((part) => b.reshape(b.square(part), [elementCount(part.shape)]));
  const gradient = b.op("Concat", squares, { axis: int(0) });
  carryState(b, state, b.minus(state.whole, b.times(b.scalar(0.1), gradient)));
  const graph = b.finish("step");
  const bytes = encode({
    graph,
    irVersion: 10,
    opsets: new Map([["", 21]]),
    producerName: "test",
    producerVersion: "",
    metadata: new Map(),
  });
  const step = { state: tensors, stateInputs: state.inputs };
  return { graph, session: await InferenceSession.create(bytes, { intraOpNumThreads: 1 }), step };
}

async function take(steps: number, together: boolean, from: ReadonlyMap<string, Tensor> = new Map()) {
  const { session, step } = await build(together);
  const buffers = new HostBuffers(OrtTensor, step, from);
  for (let index = 0; index < steps; index++)
    buffers.settle(await session.run({ ...buffers.inputs() }, { ...buffers.next() }), true);
  return buffers.snapshot();
}

describe("state that a step moves as one", () => {
  it("is one input and one output of its graph, or one of each for every tensor", async () => {
    const names = async (together: boolean) => {
      const { graph } = await build(together);
      return [graph.inputs.map(({ name }) => name), graph.outputs.map(({ name }) => name)];
    };
    expect(await names(true)).toEqual([["all"], ["next:all"]]);
    expect(await names(false)).toEqual([
      ["a", "b", "c", "d"],
      ["next:a", "next:b", "next:c", "next:d"],
    ]);
  });

  it("takes the same steps bit for bit either way, and what one way left the other way goes on from", async () => {
    const expected = await take(5, false);
    expect(await take(5, true)).toEqual(expected);
    expect(await take(3, true, await take(2, false))).toEqual(expected);
    expect(await take(3, false, await take(2, true))).toEqual(expected);
    expect(expected.get("b")!.data).not.toEqual(tensors[1]!.initial.data);
  });

  it("keeps a lone tensor's name and shape", () => {
    const b = new GraphBuilder();
    const { whole, parts, inputs } = declareState(b, "all", [tensors[1]!], true);
    expect(whole).toMatchObject({ name: "b", shape: [2, 2] });
    expect(parts).toEqual([whole]);
    expect(inputs.map(({ name }) => name)).toEqual(["b"]);
  });
});
