export { type ClassifierDescription, type Provenance, readDescription } from "./description.js";
export { exportClassifier, preprocessPrefix, serving } from "./export.js";
export { servingFeeds } from "./feeds.js";
export { preprocessedShape, preprocessImage, preprocessRecords, preprocessTable, recordShape } from "./preprocess.js";
