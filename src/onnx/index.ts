export { bytesOfTensor, dataTypeOf, elementSize, tensorOverBytes } from "./dataType.js";
export { type DecodeOptions, decode } from "./decode.js";
export { encode, encodeChunks } from "./encode.js";
export {
  bfloat16Bits,
  bfloat16Number,
  float16Bits,
  float16Number,
  fromBfloat16,
  fromFloat16,
  toBfloat16,
  toFloat16,
} from "./float16.js";
export * from "./types.js";
export { validateGraph } from "./validateGraph.js";
