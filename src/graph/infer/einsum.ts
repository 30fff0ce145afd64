import { attributeString } from "../attributes.js";
import { broadcastShapes } from "./broadcast.js";
import { required, requireSameType, shapeError } from "./context.js";
import { type InferContext, registerInference } from "./registry.js";

/** An Einsum equation such as "bij,bjk->bik"; an ellipsis stands as "." among the labels. */
export interface EinsumEquation {
  readonly inputs: readonly (readonly string[])[];
  readonly output: readonly string[];
}

/**
 * Without an arrow the output has the ellipsis, then every label that occurs once, in alphabetical order (upper case first, as in NumPy).
 */
export function parseEinsum(context: InferContext): EinsumEquation {
  const equation = attributeString(context.attributes, "equation", "").replaceAll(/\s/g, "");
  if (!/^([A-Za-z]|\.\.\.|,)*(->([A-Za-z]|\.\.\.)*)?$/.test(equation))
    throw shapeError(context, `"${equation}" is no Einsum equation`);
  const labels = (term: string) => [...term.replace("...", ".")];
  const [left = "", right] = equation.split("->");
  const inputs = left.split(",").map(labels);
  if (inputs.length !== context.inputs.length)
    throw shapeError(context, `equation "${equation}" has ${inputs.length} terms for ${context.inputs.length} inputs`);
  if (right !== undefined) return { inputs, output: labels(right) };
  const all = inputs.flat();
  const once = all.filter((label) => label !== "." && all.indexOf(label) === all.lastIndexOf(label)).sort();
  return { inputs, output: [...(all.includes(".") ? ["."] : []), ...once] };
}

registerInference("Einsum", (context) => {
  const { inputs, output } = parseEinsum(context);
  const values = context.inputs.map((_, index) => required(context, index));
  requireSameType(context, ...values);
  const sizes = new Map<string, readonly number[]>();
  inputs.forEach((term, index) => {
    const { shape } = values[index]!;
    const spanned = term.includes(".") ? shape.length - (term.length - 1) : 0;
    if (spanned < 0 || (!term.includes(".") && term.length !== shape.length))
      throw shapeError(context, `term "${term.join("")}" does not fit rank ${shape.length} of input ${index}`);
    let axis = 0;
    for (const label of term) {
      const width = label === "." ? spanned : 1;
      const joined = broadcastShapes(sizes.get(label) ?? [], shape.slice(axis, axis + width));
      if (!joined) throw shapeError(context, `label "${label}" has different sizes`);
      sizes.set(label, joined);
      axis += width;
    }
  });
  const shape = output.flatMap((label) => {
    const size = sizes.get(label);
    if (!size) throw shapeError(context, `the output's label "${label}" occurs in no input`);
    return size;
  });
  return [{ dtype: values[0]!.dtype, shape }];
});
