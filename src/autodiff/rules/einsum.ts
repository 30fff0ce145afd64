import { attributeString, type GraphBuilder, type Value } from "../../graph/index.js";
import { type Node, string } from "../../onnx/types.js";
import { type GradientRule, registerGradient } from "../registry.js";
import { unbroadcast } from "./broadcast.js";
import { unsupported } from "./operands.js";

/**
 * Einstein summation: y[out] = sum over the letters not in `out` of the product of the operands. Linear in each operand, so the gradient
 * of one is again an Einstein summation, of dy and the other operands, onto its letters:
 * for "ij,jk->ik", dA = "ik,jk->ij" (dy, B).
 *
 * Letters that only this operand has were summed over it alone: its gradient is constant along them. Letters of size 1 here and larger elsewhere were
 * broadcast: its gradient is summed along them. "..." stands for the axes in front of or between the letters; it gets letters of its own.
 */
const Einsum: GradientRule = ({ b, node, attributes, inputs, outputs, dy: [dy], wants }) => {
  const operands = inputs.map((input) => input!);
  const { terms, result } = parse(
    node,
    attributeString(attributes, "equation", ""),
    operands,
    outputs[0]!.shape.length,
  );
  return operands.map((operand, index) => {
    if (!wants(index)) return undefined;
    const term = terms[index]!;
    if (new Set(term).size !== term.length)
      throw unsupported(node, `operand ${index} has a letter twice (${term})`, "Take the diagonal outside Einsum");
    const [others, otherTerms] = [operands.toSpliced(index, 1), terms.toSpliced(index, 1)];
    const available = [result, ...otherTerms].join("");
    const kept = [...term].filter((letter) => available.includes(letter)).join("");
    const equation = `${[result, ...otherTerms].join(",")}->${kept}`;
    const partial = b.op("Einsum", [dy!, ...others], { equation: string(equation) });
    return spreadTo(b, partial, kept, operand, term);
  });
};

/** From the letters `kept` to all of the operand's: new axes are copied along, broadcast ones summed. */
function spreadTo(b: GraphBuilder, partial: Value, kept: string, operand: Value, term: string): Value {
  const sizes = [...term].map((letter) => (kept.includes(letter) ? partial.shape[kept.indexOf(letter)]! : 1));
  const aligned = unbroadcast(
    b,
    b.reshape(partial, sizes),
    sizes.map((size, axis) => Math.min(size, operand.shape[axis]!)),
  );
  return operand.shape.some((size, axis) => size !== aligned.shape[axis]) ? b.expand(aligned, operand.shape) : aligned;
}

/** The letters of each operand and of the result. Without "->" the result has the letters that occur once, in alphabetical order. */
function parse(node: Node, equation: string, operands: readonly Value[], resultRank: number) {
  const [left = "", right] = equation.replaceAll(" ", "").split("->");
  const written = left.split(",");
  if (written.length !== operands.length)
    throw unsupported(node, `equation "${equation}" does not fit ${operands.length} operands`, "Correct the equation");
  const letters = left.replace(/[^A-Za-z]/g, "");
  const free = [..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"].filter(
    (letter) => !letters.includes(letter),
  );
  // Broadcasting aligns the axes of "..." at the right, so an operand with fewer of them takes the last letters.
  const hidden = Math.max(
    ...written.map((term, index) => operands[index]!.shape.length - term.replace("...", "").length),
  );
  const ellipsis = free.slice(0, hidden).join("");
  const explicit = (term: string, rank: number) =>
    term.replace("...", ellipsis.slice(ellipsis.length - (rank - (term.length - 3))));
  const once = [...letters].filter((letter) => letters.split(letter).length === 2).sort();
  return {
    terms: written.map((term, index) => explicit(term, operands[index]!.shape.length)),
    result: explicit(right ?? `${left.includes("...") ? "..." : ""}${once.join("")}`, resultRank),
  };
}

registerGradient("Einsum", Einsum);
