export { hoistConstants, storedConstant } from "./hoist.js";
export { isControl, keyOf, type Unrolled, unroll } from "./unroll.js";
