import type { Node } from "../onnx/types.js";

/**
 * Drop path (stochastic depth, Huang et al. 2016, arXiv 1603.09382) stands in a model as ONNX's Dropout with a name that ends so: in inference
 * both hand their input on, so the file is plain ONNX; in training a dropout drops elements, a drop path whole examples.
 */
export const dropPathName = "drop_path";

export function isDropPath({ op, domain, name }: Node): boolean {
  return op === "Dropout" && domain === "" && name.endsWith(dropPathName);
}
