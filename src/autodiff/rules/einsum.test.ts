import { describe, expect, it } from "vitest";
import { string } from "../../onnx/types.js";
import { describeGradients } from "../testing/describeGradients.js";
import { checkGradient, type GradientCheck, randomTensor } from "../testing/finiteDifference.js";

const einsum = (equation: string, ...shapes: readonly (readonly number[])[]): [string, GradientCheck] => [
  `${equation} of ${shapes.map((shape) => `[${shape}]`).join(" ")}`,
  {
    inputs: shapes.map((shape, seed) => randomTensor(shape, { seed: seed + 1 })),
    build: (b, inputs) => b.op("Einsum", inputs, { equation: string(equation) }),
  },
];

describeGradients(
  "Einsum",
  Object.fromEntries([
    einsum("ij,jk->ik", [2, 3], [3, 4]),
    einsum("ij,kj", [2, 3], [4, 3]),
    einsum("ij->ji", [2, 3]),
    einsum("ij->j", [2, 3]),
    einsum("ij->", [2, 3]),
    einsum("i,j->ij", [2], [3]),
    einsum("bhqd,bhkd->bhqk", [2, 2, 3, 4], [2, 2, 5, 4]),
    einsum("b i j, b j -> b i", [2, 3, 4], [2, 4]),
    einsum("ij,jk,kl->il", [2, 3], [3, 4], [4, 2]),
    einsum("ij,k->i", [2, 3], [4]),
    einsum("...ij,...jk->...ik", [2, 2, 3], [2, 3, 4]),
    einsum("...ij,jk->...ik", [2, 2, 3], [3, 4]),
    einsum("...ij,...jk", [5, 1, 2, 3], [1, 2, 3, 4]),
    einsum("ij,jk->ik", [2, 1], [3, 4]),
    einsum("i...->...", [2, 3, 4]),
  ]),
);

describe("Einsum", () => {
  it("refuses a diagonal and names the node", async () => {
    const check: GradientCheck = {
      inputs: [randomTensor([3, 3])],
      build: (b, inputs) => b.op("Einsum", inputs, { equation: string("ii->i") }, { name: "diagonal" }),
    };
    await expect(checkGradient(check)).rejects.toThrow(/Einsum \(node diagonal\): operand 0 has a letter twice/);
  });
});
