export { chooseTrial } from "./choose.js";
export type { CurveFit } from "./response/index.js";
export * from "./space.js";
export * from "./storage/index.js";
export * from "./strategies/index.js";
export * from "./study.js";
export * from "./table.js";
