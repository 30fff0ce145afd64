import { IsonormError } from "../../errors.js";
import type { Node, Tensor, ValueInfo } from "../../onnx/types.js";
import { attributeInt, attributeInts } from "../attributes.js";
import { integers, splitInto, stackInto, withoutAxis } from "./axes.js";
import { type ControlRule, constantNumber, labelOf, Unresolved, type Walk } from "./walk.js";

const truth = (holds: boolean): Tensor => ({ dtype: "bool", shape: [], data: Uint8Array.of(holds ? 1 : 0) });

/** The branch that a constant condition takes. */
const choice: ControlRule = (node, walk) => {
  const condition = constantNumber(walk, node.inputs[0] ?? "");
  if (condition === undefined)
    throw new Unresolved(`the condition of ${labelOf(node)} is known only when the model runs`);
  walk.decide(node, condition);
  const branch = walk.body(node, condition ? "then_branch" : "else_branch");
  const outputs = walk.copy(node, branch, condition ? "then" : "else", []);
  requireCount(node, "outputs of its branch", outputs.length, node.outputs.length);
  node.outputs.forEach((name, index) => {
    if (name !== "") walk.alias(name, outputs[index]!);
  });
};

/**
 * Loop(M, condition, v...): the body (i, condition, v...) -> (condition, v..., scanned...) runs for i = 0, 1, ... while i < M and the condition holds. The
 * outputs are the last v and each scanned value stacked along a new first axis.
 */
const loop: ControlRule = (node, walk) => {
  const [limit = "", condition = "", ...initial] = node.inputs;
  const body = walk.body(node, "body");
  const { inputs, outputs } = body.graph;
  const carried = initial.length;
  requireCount(node, "inputs of its body", inputs.length, carried + 2);
  const scans = outputs.slice(1 + carried);
  requireCount(node, "outputs of its body", outputs.length, 1 + node.outputs.length);
  const trips = limit === "" ? Number.POSITIVE_INFINITY : constantNumber(walk, limit);
  if (trips === undefined) throw new Unresolved(`how often ${labelOf(node)} runs is known only when the model runs`);
  const each = body.cost + scans.length;
  // A condition that is only handed on never ends the loop: then the first trip is one too many already.
  if (outputs[0]!.name === inputs[1]!.name && constantNumber(walk, condition) !== 0) walk.afford(node, trips * each);

  let going = condition || walk.constant("true", truth(true));
  let state: readonly string[] = initial;
  const scanned: string[][] = scans.map(() => []);
  let trip = 0;
  for (; trip < trips; trip++) {
    const holds = constantNumber(walk, going);
    if (holds === undefined)
      throw new Unresolved(`whether ${labelOf(node)} goes on after ${trip} times is known only when the model runs`);
    if (holds === 0) break;
    walk.spend(node, scans.length);
    const iteration = walk.constant("trip", { ...integers(trip), shape: inputs[0]!.shape?.length === 1 ? [1] : [] });
    const made = walk.copy(node, body, String(trip), [iteration, going, ...state]);
    going = made[0]!;
    state = made.slice(1, 1 + carried);
    made.slice(1 + carried).forEach((name, index) => {
      scanned[index]!.push(name);
    });
  }
  walk.decide(node, trip);
  node.outputs.forEach((name, index) => {
    if (name === "") return;
    if (index < carried) walk.alias(name, state[index]!);
    else stack(node, walk, name, scanned[index - carried]!, 0, scans[index - carried]!);
  });
};

/**
 * Scan(v..., x...): the body (v..., element of each x) -> (v..., scanned...) runs for every position along an axis of the x. The outputs are the last v
 * and each scanned value stacked along a new axis.
 */
const scan: ControlRule = (node, walk) => {
  const count = attributeInt(node.attributes, "num_scan_inputs", 0);
  const states = node.inputs.length - count;
  const body = walk.body(node, "body");
  const { inputs, outputs } = body.graph;
  if (count < 1 || states < 0) throw invalid(node, `num_scan_inputs is ${count} of ${node.inputs.length} inputs`);
  requireCount(node, "inputs of its body", inputs.length, node.inputs.length);
  requireCount(node, "outputs of its body", outputs.length, node.outputs.length);
  const scans = outputs.slice(states);
  const listed = (name: string, length: number): readonly number[] => {
    const numbers = attributeInts(node.attributes, name) ?? Array.from({ length }, () => 0);
    requireCount(node, `numbers in ${name}`, numbers.length, length);
    return numbers;
  };
  const axes = listed("scan_input_axes", count);
  const backwards = listed("scan_input_directions", count);
  const outputAxes = listed("scan_output_axes", scans.length);
  const outputBackwards = listed("scan_output_directions", scans.length);

  const scanned = node.inputs.slice(states);
  const lengths = scanned.flatMap((name, index) => {
    const shape = walk.value(name)?.shape;
    const length = shape?.at(axes[index]!);
    if (shape && length === undefined) throw invalid(node, `axis ${axes[index]} is outside rank ${shape.length}`);
    return length === undefined ? [] : [length];
  });
  const [trips] = lengths;
  if (trips === undefined) throw new Unresolved(`how often ${labelOf(node)} runs is known only when the model runs`);
  if (lengths.some((length) => length !== trips))
    throw invalid(node, `its inputs have ${lengths.join(" and ")} elements along the axes that it scans`);
  walk.decide(node, trips);
  walk.afford(node, trips * (body.cost + count + scans.length));
  walk.spend(node, trips * (count + scans.length));

  const elements = scanned.map((name, index) => {
    const all = elementsOf(walk, name, axes[index]!, trips);
    return backwards[index] ? all.toReversed() : all;
  });
  let state: readonly string[] = node.inputs.slice(0, states);
  const made: string[][] = scans.map(() => []);
  for (let trip = 0; trip < trips; trip++) {
    const results = walk.copy(node, body, String(trip), [...state, ...elements.map((each) => each[trip]!)]);
    state = results.slice(0, states);
    results.slice(states).forEach((name, index) => {
      made[index]!.push(name);
    });
  }
  node.outputs.forEach((name, index) => {
    const at = index - states;
    if (name === "") return;
    if (at < 0) walk.alias(name, state[index]!);
    else stack(node, walk, name, outputBackwards[at] ? made[at]!.toReversed() : made[at]!, outputAxes[at]!, scans[at]!);
  });
};

/** The parts of one element along an axis, without that axis. */
function elementsOf(walk: Walk, x: string, axis: number, count: number): readonly string[] {
  const parts = splitInto(walk, x, axis, new Array<number>(count).fill(1));
  return Array.from({ length: count }, (_, index) => withoutAxis(walk, `${x}/${index}`, parts[index]!, axis));
}

/** The values stacked along a new axis. Without any, ONNX Runtime gives a tensor that is empty in every dimension that the body does not fix. */
function stack(
  node: Node,
  walk: Walk,
  output: string,
  values: readonly string[],
  axis: number,
  declared: ValueInfo,
): void {
  if (values.length === 0) {
    if (declared.dtype !== "float32")
      throw new Unresolved(`${labelOf(node)} does not run at all, and ${output} has no elements`);
    const shape = [0, ...(declared.shape ?? []).map((size) => (typeof size === "number" ? size : 0))];
    walk.alias(output, walk.constant("empty", { dtype: "float32", shape, data: new Float32Array(0) }));
    return;
  }
  stackInto(walk, output, values, axis);
}

function requireCount(node: Node, what: string, found: number, wanted: number): void {
  if (found !== wanted) throw invalid(node, `the ${what} are ${found}, not ${wanted}`);
}

function invalid(node: Node, what: string): IsonormError {
  return new IsonormError("ISO_GRAPH_INVALID", `${labelOf(node)}: ${what}`, "Correct the model at that node");
}

export const loopRules: ReadonlyMap<string, ControlRule> = new Map([
  ["If", choice],
  ["Loop", loop],
  ["Scan", scan],
]);
