import type { GraphBuilder, Value } from "../../graph/index.js";
import { int } from "../../onnx/types.js";
import { throughComposition } from "../differentiate.js";
import { registerGradient } from "../registry.js";
import { unsupported } from "./operands.js";

/** Larger determinants are refused: Laplace's expansion has n 2^(n - 1) products. */
const largestDeterminant = 6;

/**
 * det A of [..., n, n] matrices by Laplace's expansion along the rows: with D(S) the determinant of the first |S| rows and the columns S,
 *
 *   D(S) = sum over j in S of (-1)^(|S| - 1 + position of j in S) A_{|S|, j} D(S without j),  D of no columns = 1
 *
 * No division, so that the gradient (the cofactors) is right for singular matrices too, where det A times the inverse is not.
 */
function determinant(b: GraphBuilder, a: Value): Value {
  const n = a.shape.at(-1)!;
  const batch = a.shape.slice(0, -2);
  const flat = b.reshape(a, [...batch, n * n]);
  const element = (row: number, column: number) =>
    b.reshape(b.op("Gather", [flat, b.int64([row * n + column])], { axis: int(batch.length) }), batch);
  let minors = new Map<number, Value | undefined>([[0, undefined]]);
  for (let row = 0; row < n; row++) {
    const elements = Array.from({ length: n }, (_, column) => element(row, column));
    const next = new Map<number, Value | undefined>();
    for (let columns = 0; columns < 2 ** n; columns++) {
      const chosen = Array.from({ length: n }, (_, column) => column).filter((column) => columns & (1 << column));
      if (chosen.length !== row + 1) continue;
      const terms = chosen.map((column, position) => {
        const minor = minors.get(columns & ~(1 << column));
        const term = minor ? b.times(elements[column]!, minor) : elements[column]!;
        return { term, negative: (row + position) % 2 === 1 };
      });
      const [first, ...rest] = terms;
      const start = first!.negative ? b.negative(first!.term) : first!.term;
      next.set(
        columns,
        rest.reduce((sum, { term, negative }) => (negative ? b.minus(sum, term) : b.plus(sum, term)), start),
      );
    }
    minors = next;
  }
  return minors.get(2 ** n - 1)!;
}

registerGradient("Det", ({ b, node, inputs: [a], dy }) => {
  const n = a!.shape.at(-1)!;
  if (n === 0 || n > largestDeterminant)
    throw unsupported(
      node,
      `its matrices are ${n}x${n}`,
      `Up to ${largestDeterminant}x${largestDeterminant} have a gradient; freeze the weights before it`,
    );
  return throughComposition(b, () => [determinant(b, a!)], dy, [a!]);
});
