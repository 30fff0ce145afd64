export { measureChannelBlock } from "./channelBlock.js";
export {
  type Checkpoint,
  decodeCheckpoint,
  type EpochRecord,
  encodeCheckpoint,
  epochRecord,
  type Progress,
} from "./checkpoint.js";
export { compileEvaluation, StateEvaluator } from "./evaluator.js";
export { type LeastMemory, leastMemory, requireMemory } from "./leastMemory.js";
export {
  evaluationState,
  freshProgress,
  type TrainingHooks,
  type TrainingOutcome,
  type TrainingPlan,
  train,
} from "./loop.js";
export { type CreateSession, StepRunner, type StepSession } from "./runner.js";
export {
  type AskedTrainSettings,
  defaultBatchSize,
  defaultEpochs,
  defaultLabelSmoothing,
  parseTrainSettings,
  resolvedTrainSettings,
  type TrainSettings,
  totalSteps,
  trainSettings,
} from "./settings.js";
export {
  averageName,
  nextName,
  norm0Name,
  type StateInput,
  type StateRole,
  type StateTensor,
  slotName,
} from "./state.js";
export {
  type CopySessions,
  copyGraph,
  DeviceBuffers,
  HostBuffers,
  type StateBuffers,
} from "./stateBuffers.js";
export { type CompiledStep, compileStep } from "./step.js";
export { TrainingForm } from "./trainingForm.js";
