import { IsonormError } from "../errors.js";
import type { GraphBuilder, Value } from "../graph/index.js";
import type { Node } from "../onnx/types.js";
import { fromBlocks, toBlocks } from "./cpu/blocked/index.js";

/**
 * Values of the lowered graph by the name that they have in the graph that is lowered, as ONNX holds them ("plain"), in blocks of channels, or both. The form that is missing is made when it
 * is asked for first, and once.
 */
export class LoweredValues {
  readonly #b: GraphBuilder;
  readonly #block: number | undefined;
  readonly #types = new Map<string, Value>();
  readonly #plain = new Map<string, Value>();
  readonly #blocked = new Map<string, Value>();

  /** @param block - channels in a block; undefined where nothing is held in blocks */
  constructor(b: GraphBuilder, block: number | undefined) {
    this.#b = b;
    this.#block = block;
  }

  /** A value that is as it was: of that name and plain. */
  set(name: string, value: Value): void {
    this.#types.set(name, value);
    this.#plain.set(name, value);
  }

  /** @param type - the type that the value has in the graph that is lowered */
  setPlain(name: string, value: Value, type: Value): void {
    this.#types.set(name, type);
    this.#plain.set(name, value);
  }

  setBlocked(name: string, value: Value, type: Value): void {
    this.#types.set(name, type);
    this.#blocked.set(name, value);
  }

  /**
   * The value's type in the graph that is lowered, and its contents where they are constant.
   *
   * @throws ISO_GRAPH_INVALID where there is no such value
   */
  type(name: string, reader?: Node): Value {
    const type = this.#types.get(name);
    if (type) return type;
    throw new IsonormError(
      "ISO_GRAPH_INVALID",
      `no value is named "${name}", which ${reader ? `node ${reader.name || reader.op}` : "the graph's output list"} reads`,
      "Check that it is made before it is used",
    );
  }

  isBlocked(name: string): boolean {
    return this.#blocked.has(name);
  }

  isPlain(name: string): boolean {
    return this.#plain.has(name);
  }

  plain(name: string, reader?: Node): Value {
    const { shape } = this.type(name, reader);
    let value = this.#plain.get(name);
    if (!value) {
      value = fromBlocks(this.#b, this.#blocked.get(name)!, shape[1]!);
      this.#plain.set(name, value);
    }
    return value;
  }

  blocked(name: string): Value {
    let value = this.#blocked.get(name);
    if (!value) {
      value = toBlocks(this.#b, this.plain(name), this.#block!);
      this.#blocked.set(name, value);
    }
    return value;
  }
}
