export { type CurveFit, describeFit, describeOptimum, probabilityAbove } from "./fit.js";
export { bestNext, bestOne, bestTwo, expectedNoise, type Outlook, outlook } from "./gain.js";
export { type Belief, lengthen, type Observation, observe, type Posterior, priorBelief, spacing } from "./posterior.js";
export { seedNoise } from "./prior.js";
