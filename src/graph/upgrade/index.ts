export { currentOpset } from "./opset.js";
export { upgrade } from "./upgrade.js";
