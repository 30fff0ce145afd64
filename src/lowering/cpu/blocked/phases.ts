import type { GraphBuilder, Value } from "../../../graph/index.js";
import { int, ints } from "../../../onnx/types.js";
import { all, type ConvolutionShape, offsets, product } from "../../shared/convolution.js";
import { transposeMerged } from "../../shared/transpose.js";
import { inputGradKind } from "./convolution.js";
import { exchangedKernels, kernelsOfFew } from "./kernels.js";
import { type BlockedContext, blockedOp, cropBlocked, interleaveLast, type Placed, wholeBlocks } from "./layout.js";

/**
 * The gradient of a convolution with stride s for its input. On one axis dx[i] is the sum of dy[o] w[t] over o s + t - p = i. The places i = q s + r of one phase r meet only the taps
 * with t = r + p modulo s, each at o = q + (r + p - t) / s: a convolution of dy with a part of the kernel. All phases together are one convolution with C maps a phase, whose results are
 * put between each other at the end. Its window is that of all phases, with zeros where a phase has no tap: 16 products for 9 with 3x3 and stride 2.
 */
export function inputGradByPhases(
  context: Pick<BlockedContext, "b" | "block" | "blocked">,
  shape: ConvolutionShape,
  w: Value,
): readonly Placed[] {
  const { b, block } = context;
  const { images, channels, maps, group, input, strides, kernel } = shape;
  const { axes, quotients, window, pads } = layPhases(shape);
  const kind = inputGradKind(shape, block);

  // The kernels of each phase: [K, C / group, phases, window]
  const inChannels = w.shape[1]!;
  const [phases, size] = [product(strides), product(window)];
  const chosen = b.matMul(b.reshape(w, [maps * inChannels, product(kernel)]), selection(b, axes, kernel));

  const lanes = wholeBlocks(channels, block);
  const dy = context.blocked(0);
  const convolve = (kernels: Value, group: number): Value => {
    const attributes = { kernel_shape: ints(window), pads: ints(pads), group: int(group) };
    const result = blockedOp(b, "Conv", [dy, kernels], attributes);
    return b.reshape(result, [images, lanes / block, kind === "depthwise" ? 1 : phases, product(quotients) * block]);
  };
  let byPhase: Value;
  if (kind !== "depthwise") {
    const exchanged = exchangedKernels(b, b.reshape(chosen, [maps, inChannels, phases, size]), block, group);
    const mapLanes = wholeBlocks(maps, block) / group;
    const blocks = [lanes / block, mapLanes / block, phases, size * block * block];
    const kernels = b.transpose(b.reshape(exchanged, blocks), [0, 2, 1, 3]);
    byPhase = convolve(b.reshape(kernels, [lanes * phases, mapLanes, ...window]), group);
  } else {
    const results = Array.from({ length: phases }, (_, phase) => {
      const [from, to] = [b.int64([phase * size]), b.int64([(phase + 1) * size])];
      const own = b.reshape(b.op("Slice", [chosen, from, to, b.int64([1])]), [channels, 1, ...window]);
      return convolve(kernelsOfFew(b, own, block), lanes);
    });
    byPhase = b.op("Concat", results, { axis: int(2) });
  }

  // Columns of the phases are put between each other in runs of one position, then whole rows.
  const [vertical, horizontal] = strides as [number, number];
  const [q, r] = quotients;
  const outer = (images * lanes) / block;
  const columns = interleaveLast(b, b.reshape(byPhase, [outer * vertical, 1, horizontal, q * r * block]));
  const between = transposeMerged(b, b.reshape(columns, [outer, vertical, q, r * horizontal * block]), [0, 2, 1, 3]);
  const surplus = input.map((length, axis) => quotients[axis]! * strides[axis]! - length);
  const whole = b.reshape(between, [images, lanes, q * vertical, r * horizontal]);
  return [{ blocked: cropBlocked(b, whole, [0, 0], surplus, block) }];
}

/** Whether a ConvInputGrad can be computed so. */
export function inputGradHasPhases(shape: ConvolutionShape, block: number | undefined): boolean {
  if (inputGradKind(shape, block) === undefined || all(shape.strides, 1) || !all(shape.dilations, 1)) return false;
  return layPhases(shape).pads.every((pad) => pad >= 0);
}

/** The phases of both axes, how many places of dx each has, the window of all of them, and dy's padding. */
function layPhases(shape: ConvolutionShape) {
  const { input, output, strides } = shape;
  const axes = input.map((_, axis) => phasesOf(shape, axis));
  const quotients = input.map((size, axis) => Math.ceil(size / strides[axis]!)) as [number, number];
  const window = axes.map(({ taps }) => taps[0]!.length);
  const pads = [
    ...axes.map(({ first }) => -first),
    ...axes.map(({ first }, axis) => quotients[axis]! - 1 + first + window[axis]! - output[axis]!),
  ];
  return { axes, quotients, window, pads };
}

interface AxisPhases {
  /** The first o - q of any phase. */
  readonly first: number;
  /** For each phase the tap that stands at each place of the window; undefined where none does. */
  readonly taps: readonly (readonly (number | undefined)[])[];
}

function phasesOf({ kernel, strides, padsBegin }: ConvolutionShape, axis: number): AxisPhases {
  const [size, stride, pad] = [kernel[axis]!, strides[axis]!, padsBegin[axis]!];
  const places = Array.from({ length: stride }, (_, phase) =>
    Array.from({ length: size }, (_, tap) => ({ tap, place: (phase + pad - tap) / stride })).filter(({ place }) =>
      Number.isInteger(place),
    ),
  );
  const met = places.flat().map(({ place }) => place);
  const [first, last] = [Math.min(...met), Math.max(...met)];
  const taps = places.map((phase) =>
    Array.from({ length: last - first + 1 }, (_, index) => phase.find(({ place }) => place === first + index)?.tap),
  );
  return { first, taps };
}

/** 0 or 1, [taps of the kernel, phases and places of the window]: a product of the kernels with it gives those of the phases. */
function selection(b: GraphBuilder, axes: readonly AxisPhases[], kernel: readonly number[]): Value {
  const [rows, columns] = axes as [AxisPhases, AxisPhases];
  const taps = offsets([rows.taps.length, columns.taps.length]).flatMap(([vertical, horizontal]) =>
    rows.taps[vertical!]!.flatMap((row) =>
      columns.taps[horizontal!]!.map((column) =>
        row === undefined || column === undefined ? undefined : row * kernel[1]! + column,
      ),
    ),
  );
  const [count, size] = [product(kernel), taps.length];
  const data = new Float32Array(count * size);
  for (const [index, tap] of taps.entries()) if (tap !== undefined) data[tap * size + index] = 1;
  return b.constant({ dtype: "float32", shape: [count, size], data }, "phases");
}
