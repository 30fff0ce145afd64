export { lower } from "./lower.js";
export type { Recipe, RecipeContext, RecipeSet, Target } from "./recipe.js";
