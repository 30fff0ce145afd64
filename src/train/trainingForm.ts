import { Random } from "../data/core.js";
import { IsonormError } from "../errors.js";
import { type GraphBuilder, isDropPath, pack, type Value } from "../graph/index.js";
import { isScaleInvariantLinear, scaleInvariantLinear, scaleInvariantLinearOptions } from "../method/index.js";
import { elementCount, float, type Graph, type Node } from "../onnx/types.js";

/** running' = kept running + share batch */
interface StatisticMove {
  readonly batch: Value;
  readonly kept: number;
  readonly share: number;
}

/** A dropout mask that is fed from outside, so that a resumed run draws the same one. */
export interface DropoutMask {
  /** The graph's input: 0 where an element is dropped, 1 / (1 - ratio) where it is kept; for a drop path one number an example. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly ratio: number;
}

/** Names of the running means and variances of a graph's batch normalisations, or of those among some of its nodes. */
export function runningStatistics(graph: Graph, nodes: readonly Node[] = graph.nodes): readonly string[] {
  const names = new Set<string>();
  for (const node of nodes) {
    if (node.op !== "BatchNormalization" || node.domain !== "") continue;
    for (const name of node.inputs.slice(3, 5)) {
      if (!graph.initializers.has(name))
        throw new IsonormError(
          "ISO_MODEL_UNSUITABLE",
          `running statistic ${name} of batch normalisation ${node.name || node.outputs[0]} is computed, not stored`,
          "Export the model with its running statistics as initializers",
        );
      names.add(name);
    }
  }
  return [...names];
}

/**
 * Gives the nodes that act otherwise in training their training form while a model is inlined: batch normalisation takes the batch's own
 * statistics and moves the running ones, dropout multiplies by a mask, and the scale-invariant linear layer divides by its weight's norm, which serving has folded in.
 */
export class TrainingForm {
  /** By the running statistic's name. */
  readonly #moves = new Map<string, StatisticMove>();
  readonly masks: DropoutMask[] = [];

  /** What `inline` asks of each node: its outputs in training form, or undefined where it is the same as in inference. */
  replace(b: GraphBuilder, node: Node, inputs: readonly (Value | undefined)[]): readonly Value[] | undefined {
    if (isScaleInvariantLinear(node)) {
      const options = scaleInvariantLinearOptions(node.attributes, node.name);
      return [scaleInvariantLinear(b, inputs[0]!, inputs[1]!, options, node.name || undefined)];
    }
    if (node.domain !== "") return undefined;
    if (node.op === "BatchNormalization") return [this.#batchNormalization(b, node, inputs)];
    if (node.op === "Dropout") return [this.#dropout(b, node, inputs)];
    return undefined;
  }

  /**
   * running' = momentum running + (1 - momentum) batch, where the batch's variance counts with n / (n - 1), n values a channel: the unbiased
   * estimate, as PyTorch has it.
   */
  #batchNormalization(b: GraphBuilder, node: Node, inputs: readonly (Value | undefined)[]): Value {
    const [x, scale, bias] = inputs as readonly Value[];
    const momentum = attributeNumber(node, "momentum", 0.9);
    const [y, mean, variance] = b.abstract(
      "BatchNormTraining",
      [x!, scale!, bias!],
      { epsilon: float(attributeNumber(node, "epsilon", 1e-5)) },
      node.name || undefined,
    );
    const values = elementCount(x!.shape) / x!.shape[1]!;
    const share = 1 - momentum;
    this.#move(b, node.inputs[3]!, { batch: mean!, kept: momentum, share });
    const unbiased = (share * values) / Math.max(1, values - 1);
    this.#move(b, node.inputs[4]!, { batch: variance!, kept: momentum, share: unbiased });
    return y!;
  }

  /** A layer that is used again, as in a loop's body, moves its statistics again: k2 (k1 r + s1 b1) + s2 b2 = k1 k2 r + (k2 s1 b1 + s2 b2). */
  #move(b: GraphBuilder, running: string, next: StatisticMove): void {
    const earlier = this.#moves.get(running);
    this.#moves.set(
      running,
      earlier
        ? {
            batch: b.plus(
              b.times(earlier.batch, b.scalar(next.kept * earlier.share)),
              b.times(next.batch, b.scalar(next.share)),
            ),
            kept: next.kept * earlier.kept,
            share: 1,
          }
        : next,
    );
  }

  /**
   * Moves running statistics as one long vector: they are many and short, and a node costs as much as some thousand elements.
   *
   * @param running - the statistics one behind the other
   * @param names - theirs, in that order
   * @returns the moved ones, shaped as `running`
   */
  moveStatistics(b: GraphBuilder, running: Value, names: readonly string[]): Value {
    const moves = names.map((name) => this.#moves.get(name)!);
    const each = (value: (move: StatisticMove) => number): Value => {
      const data = Float32Array.from(
        moves.flatMap((move) => new Array<number>(elementCount(move.batch.shape)).fill(value(move))),
      );
      return b.constant({ dtype: "float32", shape: [data.length], data });
    };
    const batch = pack(
      b,
      moves.map((move) => move.batch),
    );
    const kept = b.times(
      running,
      each((move) => move.kept),
    );
    const moved = b.times(
      batch,
      each((move) => move.share),
    );
    return b.plus(kept, moved);
  }

  #dropout(b: GraphBuilder, node: Node, inputs: readonly (Value | undefined)[]): Value {
    const x = inputs[0]!;
    const constant = inputs[1]?.constant;
    const ratio = constant ? Number(constant.data[0]) : attributeNumber(node, "ratio", 0.5);
    if (ratio === 0) return b.identity(x);
    const shape = isDropPath(node) ? x.shape.map((size, axis) => (axis === 0 ? size : 1)) : x.shape;
    const mask = b.input(b.freshName(`${node.name || "dropout"}/mask`), "float32", shape);
    this.masks.push({ name: mask.name, shape: mask.shape, ratio });
    return b.times(x, mask);
  }
}

/** A step's masks: a function of (seed, mask, step). */
export function drawMasks(masks: readonly DropoutMask[], seed: number, step: number): Record<string, Float32Array> {
  const drawn: Record<string, Float32Array> = {};
  for (const { name, shape, ratio } of masks) {
    const random = new Random(seed, "dropout", name).at(step);
    const threshold = ratio * 2 ** 32;
    const kept = 1 / (1 - ratio);
    drawn[name] = Float32Array.from({ length: elementCount(shape) }, () => (random.uint32() < threshold ? 0 : kept));
  }
  return drawn;
}

function attributeNumber(node: Node, name: string, otherwise: number): number {
  const attribute = node.attributes[name];
  return attribute?.kind === "float" || attribute?.kind === "int" ? Number(attribute.value) : otherwise;
}
