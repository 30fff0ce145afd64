import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { decode, type Tensor } from "../../src/onnx/index.js";

/** A node case of ONNX's backend test suite. */
export interface NodeCase {
  readonly name: string;
  readonly model: Uint8Array;
  /** Of the model's inputs and outputs, in order; undefined where the case has no tensor, or one of a type that isonorm does not know.
   * Without outputs ONNX Runtime's own are the expected ones. */
  readonly inputs: readonly (Tensor | undefined)[];
  readonly outputs: readonly (Tensor | undefined)[] | undefined;
}

export interface Suite {
  /** Version of the onnx package. */
  readonly onnx: string;
  /** Its newest operator set. */
  readonly opset: number;
  readonly names: readonly string[];
  load(name: string): NodeCase;
}

interface Index {
  readonly onnx: string;
  readonly opset: number;
  readonly cases: readonly { readonly name: string; readonly inputs: string[]; readonly outputs: string[] }[];
}

const folder = join(import.meta.dirname, "..", "..", ".cache", "operators", "cases");

/** The suite of Python's onnx package; undefined, with the reason on stderr, where there is no such package. Python is $PYTHON or /usr/bin/python3. */
export function openSuite(): Suite | undefined {
  const index = join(folder, "index.json");
  if (!existsSync(index)) {
    const python = process.env.PYTHON ?? "/usr/bin/python3";
    const { status, stderr, error } = spawnSync(python, [join(import.meta.dirname, "dump_cases.py"), folder], {
      encoding: "utf8",
    });
    if (status !== 0) {
      process.stderr.write(`${python} cannot make the cases: ${error?.message ?? stderr.trim().split("\n").at(-1)}\n`);
      return undefined;
    }
  }
  const { onnx, opset, cases } = JSON.parse(readFileSync(index, "utf8")) as Index;
  const byName = new Map(cases.map((entry) => [entry.name, entry]));
  return {
    onnx,
    opset,
    names: [...byName.keys()],
    load(name) {
      const entry = byName.get(name)!;
      const tensors = readTensors(join(folder, `${name}.data.onnx`));
      const side = (label: "input" | "output", kinds: readonly string[]) =>
        kinds.map((_, index) => tensors.get(`${label}_${index}`));
      return {
        name,
        model: new Uint8Array(readFileSync(join(folder, `${name}.onnx`))),
        inputs: side("input", entry.inputs),
        outputs: side("output", entry.outputs),
      };
    },
  };
}

function readTensors(path: string): ReadonlyMap<string, Tensor> {
  try {
    return decode(new Uint8Array(readFileSync(path))).graph.initializers;
  } catch {
    return new Map();
  }
}
