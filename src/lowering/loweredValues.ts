import { IsonormError } from "../errors.js";
import type { GraphBuilder, Value } from "../graph/index.js";
import type { Node } from "../onnx/types.js";
import {
  fromBlocks,
  type MatrixForm,
  matrixFromBlocks,
  matrixToBlocks,
  type Placed,
  toBlocks,
} from "./cpu/blocked/index.js";

/**
 * Values of the lowered graph by the name that they have in the graph that is lowered, as ONNX holds them ("plain"), in blocks of channels, or both; a matrix in blocks of its columns, which count as channels,
 * or of its rows. The form that is missing is made when it is asked for first, and once.
 */
export class LoweredValues {
  readonly #b: GraphBuilder;
  readonly #block: number | undefined;
  readonly #types = new Map<string, Value>();
  readonly #plain = new Map<string, Value>();
  readonly #blocked = new Map<string, Value>();
  readonly #rows = new Map<string, Value>();

  /** @param block - channels in a block; undefined where nothing is held in blocks */
  constructor(b: GraphBuilder, block: number | undefined) {
    this.#b = b;
    this.#block = block;
  }

  /** A value that is as it was: of that name and plain. */
  set(name: string, value: Value): void {
    this.place(name, { plain: value }, value);
  }

  /** @param type - the type that the value has in the graph that is lowered */
  place(name: string, placed: Placed, type: Value): void {
    this.#types.set(name, type);
    if ("plain" in placed) this.#plain.set(name, placed.plain);
    else if ("rows" in placed) this.#rows.set(name, placed.rows);
    else this.#blocked.set(name, placed.blocked);
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
      value = this.#fromBlocks(name, shape);
      this.#plain.set(name, value);
    }
    return value;
  }

  #fromBlocks(name: string, shape: readonly number[]): Value {
    const [blocked, rows] = [this.#blocked.get(name), this.#rows.get(name)];
    if (rows) return matrixFromBlocks(this.#b, rows, "rows", shape, this.#block!);
    if (shape.length === 2) return matrixFromBlocks(this.#b, blocked!, "columns", shape, this.#block!);
    return fromBlocks(this.#b, blocked!, shape[1]!);
  }

  blocked(name: string): Value {
    let value = this.#blocked.get(name);
    if (!value) {
      const plain = this.plain(name);
      value =
        plain.shape.length === 2 ? matrixToBlocks(this.#b, plain, "columns") : toBlocks(this.#b, plain, this.#block!);
      this.#blocked.set(name, value);
    }
    return value;
  }

  #inRows(name: string): Value {
    let value = this.#rows.get(name);
    if (!value) {
      value = matrixToBlocks(this.#b, this.plain(name), "rows");
      this.#rows.set(name, value);
    }
    return value;
  }

  /** A value for what does not depend on the order of elements, and reads no lane without a channel. */
  inAnyOrder(name: string): Value {
    const matrix = this.type(name).shape.length === 2;
    return this.#plain.get(name) ?? this.#rows.get(name) ?? (matrix ? this.blocked(name) : this.plain(name));
  }

  /** A matrix with its rows or columns in blocks. */
  matrix(name: string, form: MatrixForm): Value {
    return form === "rows" ? this.#inRows(name) : this.blocked(name);
  }
}
