import type { Attributes, Node } from "../../onnx/types.js";
import type { Surroundings } from "./rules.js";

/** The nodes that take the place of one, added in order; values are names. */
export class Composition {
  readonly nodes: Node[] = [];

  constructor(
    readonly replaced: Node,
    readonly surroundings: Surroundings,
  ) {}

  /** Adds a node and returns its output, which gets the name given or one after the replaced node. */
  op(op: string, inputs: readonly string[], attributes: Attributes = {}, output?: string): string {
    return this.several(op, inputs, attributes, [output])[0]!;
  }

  several(
    op: string,
    inputs: readonly string[],
    attributes: Attributes,
    outputs: readonly (string | undefined)[],
  ): readonly string[] {
    const base = this.surroundings.fresh(`${this.replaced.name || this.replaced.outputs[0]}/${op}`);
    const names = outputs.map((name) => name ?? this.surroundings.fresh(`${base}/y`));
    const present = inputs.slice(0, inputs.findLastIndex((name) => name !== "") + 1);
    this.nodes.push({ op, domain: "", name: base, inputs: present, outputs: names, attributes });
    return names;
  }

  integers(label: string, numbers: readonly number[]): string {
    return this.surroundings.integers(this.replaced, label, numbers);
  }

  integer(label: string, number: number): string {
    return this.surroundings.integer(this.replaced, label, number);
  }

  scalar(label: string, number: number): string {
    return this.surroundings.scalar(this.replaced, label, number);
  }
}
