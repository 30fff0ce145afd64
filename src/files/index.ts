export { type FileSystem, writeFileAtomically } from "./atomicWrite.js";
