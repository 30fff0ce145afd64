/** The operator set of ai.onnx that isonorm's own graphs use. */
export const currentOpset = 21;
