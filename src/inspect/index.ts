export { type InspectedWeight, type Inspection, inspectModel } from "./inspect.js";
export { largestInvariantChange, largestInvariantRadial, type NumericalProof, proveByNumbers } from "./numbers.js";
