export { currentOpset } from "./opset.js";
export { unknownForms } from "./unknownForms.js";
export { upgrade } from "./upgrade.js";
