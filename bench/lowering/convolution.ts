/**
 * Milliseconds for the recipes of ConvWeightGrad and ConvInputGrad, on the sizes that common networks have.
 *
 *   npx tsx bench/lowering/convolution.ts [threads] [rounds] [pattern]
 */

import { type ConvWeightGradChoice, chooseConvWeightGrad } from "../../src/lowering/cpu/chooseConvWeightGrad.js";
import {
  type ConvInputGradChoice,
  chooseConvInputGrad,
  convInputGradBy,
} from "../../src/lowering/cpu/convInputGrad.js";
import { convWeightGradBy } from "../../src/lowering/cpu/convWeightGrad.js";
import { convolutionShape } from "../../src/lowering/shared/convolution.js";
import { int, ints } from "../../src/onnx/types.js";
import { type Candidate, measure } from "./measure.js";

const [threads = 2, rounds = 10] = process.argv.slice(2, 4).map(Number);
const pattern = process.argv[4] ?? "";

/** [images, channels, maps, size, kernel, stride, group, dimensions] */
const shapes = [
  [128, 3, 16, 32, 3, 1, 1, 2],
  [128, 16, 16, 32, 3, 1, 1, 2],
  [128, 16, 32, 32, 3, 2, 1, 2],
  [128, 32, 32, 16, 3, 1, 1, 2],
  [128, 32, 64, 16, 3, 2, 1, 2],
  [128, 64, 64, 8, 3, 1, 1, 2],
  [128, 16, 32, 32, 1, 2, 1, 2],
  [128, 64, 64, 32, 3, 1, 1, 2],
  [128, 1, 16, 14, 3, 1, 1, 2],
  [128, 16, 16, 14, 3, 1, 1, 2],
  [32, 3, 64, 112, 7, 2, 1, 2],
  [32, 64, 64, 56, 3, 1, 1, 2],
  [32, 256, 256, 14, 3, 1, 1, 2],
  [32, 512, 512, 7, 3, 1, 1, 2],
  [32, 64, 256, 56, 1, 1, 1, 2],
  [128, 16, 96, 32, 1, 1, 1, 2],
  [128, 96, 24, 16, 1, 1, 1, 2],
  [128, 576, 160, 4, 1, 1, 1, 2],
  [128, 96, 96, 32, 3, 1, 96, 2],
  [128, 96, 96, 32, 3, 2, 96, 2],
  [128, 144, 144, 16, 3, 1, 144, 2],
  [128, 192, 192, 8, 3, 1, 192, 2],
  [128, 576, 576, 4, 3, 1, 576, 2],
  [64, 64, 64, 128, 3, 1, 1, 1],
  [64, 64, 64, 32, 3, 1, 4, 2],
  [8, 16, 32, 16, 3, 1, 1, 3],
] as const;

for (const [images, channels, maps, size, kernel, stride, group, rank] of shapes) {
  const label = `[${images},${channels},${new Array(rank).fill(size)}] -> ${maps}, k${kernel} s${stride} g${group}`;
  if (!label.includes(pattern)) continue;
  const each = (value: number) => new Array<number>(rank).fill(value);
  const pad = Math.floor(kernel / 2);
  const out = Math.floor((size + 2 * pad - kernel) / stride) + 1;
  const [x, dy] = [
    [images, channels, ...each(size)],
    [images, maps, ...each(out)],
  ];
  const attributes = {
    kernel_shape: ints(each(kernel)),
    strides: ints(each(stride)),
    dilations: ints(each(1)),
    pads: ints([...each(pad), ...each(pad)]),
    group: int(group),
  };
  const shape = convolutionShape(attributes, x, dy);
  const weightChoices: ConvWeightGradChoice[] = [1, 2, 4, 8, 16, 32]
    .filter((parts) => images % parts === 0)
    .map((parts) => ({ recipe: "convolution", parts }));
  if (kernel === 1) weightChoices.push({ recipe: "productPerImage" }, { recipe: "product" });
  if (group === channels) weightChoices.push({ recipe: "columnProducts" });
  if (group === channels && size <= 16) weightChoices.push({ recipe: "placeProducts" });
  const weight = weightChoices.map(
    (choice): Candidate => ({
      name: choice.recipe + ("parts" in choice ? ` ${choice.parts}` : ""),
      inputs: { x, dy },
      build: (b, inputs) => convWeightGradBy(choice, b, inputs.x!, inputs.dy!, shape),
    }),
  );
  const inputChoices: ConvInputGradChoice[] = stride === 1 ? ["flipped", "transposed"] : ["transposed"];
  const input = inputChoices.map(
    (choice): Candidate => ({
      name: choice,
      inputs: { dy, w: [maps, channels / group, ...each(kernel)] },
      build: (b, inputs) => convInputGradBy(choice, b, inputs.dy!, inputs.w!, shape),
    }),
  );
  const gigaflops = (2 * images * maps * (channels / group) * (kernel * out) ** rank) / 1e9;
  console.log(`${label}  ${gigaflops.toFixed(2)} GFLOP`);
  for (const [what, candidates, chosen] of [
    ["dw", weight, JSON.stringify(chooseConvWeightGrad(shape))],
    ["dx", input, chooseConvInputGrad(shape)],
  ] as const) {
    const times = await measure(candidates, rounds, threads);
    const figures = candidates.map(({ name }, index) => ({ name, ms: times[index]! })).sort((a, b) => a.ms - b.ms);
    console.log(`  ${what} ${figures.map(({ name, ms }) => `${name} ${ms.toFixed(2)}`).join(", ")}; chosen ${chosen}`);
  }
}
