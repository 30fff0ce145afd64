import { IsonormError } from "../errors.js";
import type { GraphBuilder, Value } from "../graph/index.js";
import type { Node } from "../onnx/types.js";
import { fromBlocks, type MatrixForm, matrixFromBlocks, matrixToBlocks, toBlocks } from "./cpu/blocked/index.js";

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

  /** @param value - a matrix with its rows in blocks */
  setRows(name: string, value: Value, type: Value): void {
    this.#types.set(name, type);
    this.#rows.set(name, value);
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

  /** A matrix with its rows in blocks. */
  rows(name: string): Value {
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

  /** A value in the form that state has, plain where it has none. */
  inForm(name: string, form: MatrixForm | undefined): Value {
    if (form === undefined) return this.plain(name);
    return form === "rows" ? this.rows(name) : this.blocked(name);
  }
}
