import { attributeFloat, attributeInt, type GraphBuilder, type Value } from "../../graph/index.js";
import { float, int } from "../../onnx/types.js";
import { constantLike } from "../constantLike.js";
import { type GradientRule, registerGradient } from "../registry.js";
import { unbroadcast } from "./broadcast.js";
import { unsupported } from "./operands.js";

/**
 * Y = A B, of matrices: L changes by <dY, dA B> = <dY B', dA> and <dY, A dB> = <A' dY, dB>, so dA = dY B' and dB = A' dY.
 *
 * More axes in front are batches, which broadcast: the gradient of a broadcast operand is summed over its copies. Where B is one matrix for all
 * batches (a linear layer), the rows of all batches form one matrix and that sum is part of the product.
 * An operand with one axis is a row (A) or a column (B); the axis added for that is absent from Y.
 */
const MatMul: GradientRule = ({ b, inputs: [left, right], dy: [dy], wants }) => {
  const [a, c] = [matrix(b, left!, "row"), matrix(b, right!, "column")];
  const [rows, inner, columns] = [a.shape.at(-2)!, a.shape.at(-1)!, c.shape.at(-1)!];
  const batch = dy!.shape.slice(
    0,
    dy!.shape.length - (left!.shape.length > 1 ? 1 : 0) - (right!.shape.length > 1 ? 1 : 0),
  );
  const g = b.reshape(dy!, [...batch, rows, columns]);
  const restore = (gradient: Value, operand: Value, shape: readonly number[]) =>
    b.reshape(unbroadcast(b, gradient, shape), operand.shape);

  if (c.shape.length === 2) {
    const stacked = a.shape.slice(0, -1).reduce((product, size) => product * size, 1);
    const [flatA, flatG] = [b.reshape(a, [stacked, inner]), b.reshape(g, [stacked, columns])];
    return [
      wants(0) ? b.reshape(product(b, flatG, c, { transposeRight: true }), left!.shape) : undefined,
      wants(1) ? b.reshape(product(b, flatA, flatG, { transposeLeft: true }), right!.shape) : undefined,
    ];
  }
  return [
    wants(0) ? restore(product(b, g, c, { transposeRight: true }), left!, a.shape) : undefined,
    wants(1) ? restore(product(b, a, g, { transposeLeft: true }), right!, c.shape) : undefined,
  ];
};

/** x with one axis as a matrix of one row or one column. */
function matrix(b: GraphBuilder, x: Value, as: "row" | "column"): Value {
  if (x.shape.length > 1) return x;
  return b.reshape(x, as === "row" ? [1, x.shape[0]!] : [x.shape[0]!, 1]);
}

/**
 * Y = alpha op(A) op(B) + beta C, op(A) = A' with transA. With dY scaled by alpha, d op(A) = dY op(B)' and d op(B) = op(A)' dY;
 * dA is that or, with transA, its transpose, op(B) dY'. C was broadcast to Y.
 */
const Gemm: GradientRule = ({ b, attributes, inputs: [a, c, addend], dy: [dy], wants }) => {
  const alpha = attributeFloat(attributes, "alpha", 1);
  const beta = attributeFloat(attributes, "beta", 1);
  const transA = attributeInt(attributes, "transA", 0) !== 0;
  const transB = attributeInt(attributes, "transB", 0) !== 0;
  const dAddend = addend && wants(2) ? scaled(b, unbroadcast(b, dy!, addend.shape), beta) : undefined;
  return [
    wants(0) ? leftGradient(b, dy!, c!, { alpha, transA, transB }) : undefined,
    wants(1) ? rightGradient(b, dy!, a!, { alpha, transA, transB }) : undefined,
    dAddend,
  ];
};

/** com.microsoft: Y = alpha op(A) op(B) with batches as for MatMul. */
const FusedMatMul: GradientRule = ({ b, node, attributes, inputs: [a, c], dy: [dy], wants }) => {
  if (attributeInt(attributes, "transBatchA", 0) || attributeInt(attributes, "transBatchB", 0))
    throw unsupported(node, "transBatchA and transBatchB are set", "Transpose the operands with Transpose nodes");
  if (a!.shape.length < 2 || c!.shape.length < 2)
    throw unsupported(node, "an operand has one axis", "Use MatMul, which has a gradient for it");
  const options = {
    alpha: attributeFloat(attributes, "alpha", 1),
    transA: attributeInt(attributes, "transA", 0) !== 0,
    transB: attributeInt(attributes, "transB", 0) !== 0,
  };
  return [
    wants(0) ? unbroadcast(b, leftGradient(b, dy!, c!, options), a!.shape) : undefined,
    wants(1) ? unbroadcast(b, rightGradient(b, dy!, a!, options), c!.shape) : undefined,
  ];
};

interface Forward {
  readonly alpha: number;
  readonly transA: boolean;
  readonly transB: boolean;
}

/** dA of Y = alpha op(A) op(B). */
function leftGradient(b: GraphBuilder, dy: Value, c: Value, { alpha, transA, transB }: Forward): Value {
  return transA
    ? product(b, c, dy, { transposeLeft: transB, transposeRight: true, alpha })
    : product(b, dy, c, { transposeRight: !transB, alpha });
}

/** dB of Y = alpha op(A) op(B). */
function rightGradient(b: GraphBuilder, dy: Value, a: Value, { alpha, transA, transB }: Forward): Value {
  return transB
    ? product(b, dy, a, { transposeLeft: true, transposeRight: transA, alpha })
    : product(b, a, dy, { transposeLeft: !transA, alpha });
}

interface ProductOptions {
  readonly transposeLeft?: boolean;
  readonly transposeRight?: boolean;
  readonly alpha?: number;
}

/** alpha A B, either transposed: for two matrices a Gemm, which reads a transposed operand in place (C is optional since opset 11). */
function product(b: GraphBuilder, left: Value, right: Value, options: ProductOptions): Value {
  const { transposeLeft = false, transposeRight = false, alpha = 1 } = options;
  if (left.shape.length === 2 && right.shape.length === 2 && (b.opsets.get("") ?? 1) >= 11)
    return b.op("Gemm", [left, right], {
      alpha: float(alpha),
      transA: int(transposeLeft ? 1 : 0),
      transB: int(transposeRight ? 1 : 0),
    });
  const y = b.matMul(transposeLeft ? transposed(b, left) : left, transposeRight ? transposed(b, right) : right);
  return scaled(b, y, alpha);
}

/** x with its last two axes exchanged. */
function transposed(b: GraphBuilder, x: Value): Value {
  const rank = x.shape.length;
  const batch = Array.from({ length: rank - 2 }, (_, axis) => axis);
  return b.transpose(x, [...batch, rank - 1, rank - 2]);
}

function scaled(b: GraphBuilder, x: Value, factor: number): Value {
  return factor === 1 ? x : b.times(x, constantLike(b, factor, x));
}

registerGradient("MatMul", MatMul);
registerGradient("Gemm", Gemm);
registerGradient("com.microsoft:FusedMatMul", FusedMatMul);
