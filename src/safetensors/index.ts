export { decodeSafetensors, type SafetensorsOptions } from "./decode.js";
export { encodeSafetensors, safetensorsChunks } from "./encode.js";
