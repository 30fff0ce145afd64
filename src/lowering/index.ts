export { lower } from "./lower.js";
export type { Recipe, RecipeContext, RecipeSet, Target } from "./recipe.js";
export { webgpuProvider } from "./webgpu/provider.js";
