export { readModel } from "./readModel.js";
export { writeModel } from "./writeModel.js";
