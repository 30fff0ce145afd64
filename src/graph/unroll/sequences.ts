import { IsonormError } from "../../errors.js";
import { int, type Node, type Tensor } from "../../onnx/types.js";
import { attributeInt } from "../attributes.js";
import { splitInto, stackInto, withoutAxis } from "./axes.js";
import { type ControlRule, constantNumber, labelOf, Unresolved, type Walk } from "./walk.js";

// Sequences whose making the graph shows, as PyTorch's exporter writes lists and torch.split: a list of names. What is read of them is a tensor.

const outputOf = (node: Node): string => node.outputs[0]!;

function elementsOf(node: Node, walk: Walk, input = 0): readonly string[] {
  const elements = walk.sequence(node.inputs[input] ?? "");
  if (!elements)
    throw new Unresolved(`what the sequence that ${labelOf(node)} reads holds is known only when the model runs`);
  return elements;
}

/** The place that an input names, from the front. */
function placeOf(node: Node, walk: Walk, input: number, length: number, last = length - 1): number {
  const given = constantNumber(walk, node.inputs[input]!);
  if (given === undefined)
    throw new Unresolved(`which element ${labelOf(node)} means is known only when the model runs`);
  const place = given < 0 ? given + length : given;
  if (place >= 0 && place <= last) return place;
  throw new IsonormError(
    "ISO_GRAPH_INVALID",
    `${labelOf(node)} means element ${given} of a sequence of ${length}`,
    "Correct the model at that node",
  );
}

/** A new sequence costs its length: one that grows in a loop costs the square of it. */
const holding =
  (make: (node: Node, walk: Walk) => readonly string[]): ControlRule =>
  (node, walk) => {
    const elements = make(node, walk);
    walk.spend(node, elements.length / 256);
    walk.hold(outputOf(node), elements);
  };

const insert = holding((node, walk) => {
  const elements = elementsOf(node, walk);
  const { length } = elements;
  return elements.toSpliced(node.inputs[2] ? placeOf(node, walk, 2, length, length) : length, 0, node.inputs[1]!);
});

const erase = holding((node, walk) => {
  const elements = elementsOf(node, walk);
  return elements.toSpliced(node.inputs[1] ? placeOf(node, walk, 1, elements.length) : elements.length - 1, 1);
});

/** Parts along an axis: of one element each, of one size with a smaller last one, or of the sizes listed. */
const splitToSequence = holding((node, walk) => {
  const [x, sizes] = node.inputs as [string, string?];
  const shape = walk.value(x)?.shape;
  const axis = attributeInt(node.attributes, "axis", 0);
  const length = shape?.at(axis);
  const asked = sizes ? walk.value(sizes)?.constant : undefined;
  if (length === undefined || (sizes && !asked))
    throw new Unresolved(`how many parts ${labelOf(node)} makes is known only when the model runs`);
  const numbers = asked ? Array.from<unknown, number>(asked.data as ArrayLike<bigint>, Number) : [1];
  const listed = asked?.shape.length === 1;
  const size = numbers[0] ?? 0;
  if (!listed && size < 1)
    throw new IsonormError("ISO_GRAPH_INVALID", `${labelOf(node)} makes parts of ${size}`, "Correct the model there");
  const count = listed ? numbers.length : Math.ceil(length / size);
  walk.decide(node, count);
  walk.spend(node, count);
  const parts = listed ? numbers : Array.from({ length: count }, (_, part) => Math.min(size, length - part * size));
  const made = splitInto(walk, x, axis, parts);
  if (sizes || attributeInt(node.attributes, "keepdims", 1) !== 0) return made;
  return made.map((part) => withoutAxis(walk, `${part}/element`, part, axis));
});

/** The elements side by side or, with new_axis, one above the other. */
const concatFromSequence: ControlRule = (node, walk) => {
  const elements = elementsOf(node, walk);
  if (elements.length === 0)
    throw new IsonormError("ISO_GRAPH_INVALID", `${labelOf(node)} joins an empty sequence`, "Correct the model there");
  walk.spend(node, elements.length);
  const axis = attributeInt(node.attributes, "axis", 0);
  if (attributeInt(node.attributes, "new_axis", 0) !== 0) stackInto(walk, outputOf(node), elements, axis);
  else walk.add(outputOf(node), "Concat", elements, { axis: int(axis) }, [outputOf(node)]);
};

/** The body runs for each element of the first sequence; other sequences give it their elements too, tensors are the same each time. */
const map: ControlRule = (node, walk) => {
  const body = walk.body(node, "body");
  const { length } = elementsOf(node, walk);
  walk.afford(node, length * body.cost);
  const results = Array.from({ length }, (_, at) => {
    const inputs = node.inputs.map((name) => walk.sequence(name)?.at(at) ?? name);
    return walk.copy(node, body, String(at), inputs);
  });
  node.outputs.forEach((name, index) => {
    if (name !== "")
      walk.hold(
        name,
        results.map((outputs) => outputs[index]!),
      );
  });
};

const constantOf =
  (label: string, tensor: (node: Node, walk: Walk) => Tensor): ControlRule =>
  (node, walk) =>
    walk.alias(outputOf(node), walk.constant(label, tensor(node, walk)));

/** An optional value that is there is that value. */
const present: ControlRule = (node, walk) => {
  if (!node.inputs[0]) throw new Unresolved(`${labelOf(node)} holds nothing`);
  walk.alias(outputOf(node), node.inputs[0]);
};

export const sequenceRules: ReadonlyMap<string, ControlRule> = new Map<string, ControlRule>([
  ["SequenceEmpty", holding(() => [])],
  ["SequenceConstruct", holding((node) => node.inputs)],
  ["SequenceInsert", insert],
  ["SequenceErase", erase],
  ["SplitToSequence", splitToSequence],
  [
    "SequenceAt",
    (node, walk) => {
      const elements = elementsOf(node, walk);
      walk.alias(outputOf(node), elements[placeOf(node, walk, 1, elements.length)]!);
    },
  ],
  [
    "SequenceLength",
    constantOf("length", (node, walk) => ({
      dtype: "int64",
      shape: [],
      data: BigInt64Array.of(BigInt(elementsOf(node, walk).length)),
    })),
  ],
  ["ConcatFromSequence", concatFromSequence],
  ["SequenceMap", map],
  ["Optional", present],
  ["OptionalGetElement", present],
  [
    "OptionalHasElement",
    constantOf("present", (node) => ({ dtype: "bool", shape: [], data: Uint8Array.of(node.inputs[0] ? 1 : 0) })),
  ],
]);
