import { IsonormError } from "../errors.js";
import { registerInference } from "../graph/index.js";
import { scaleInvariantLinearOptions } from "./scaleInvariantLinear.js";

// isonorm:ScaleInvariantLinear: x [batch, features], W [classes, features] -> logits [batch, classes]
registerInference("isonorm:ScaleInvariantLinear", ({ node, inputs, attributes }) => {
  scaleInvariantLinearOptions(attributes, node.name);
  const [x, weight] = inputs;
  if (!x || !weight || x.shape.length !== 2 || weight.shape.length !== 2 || x.shape[1] !== weight.shape[1])
    throw new IsonormError(
      "ISO_GRAPH_SHAPE",
      `ScaleInvariantLinear ${node.name} got x [${x?.shape}] and weight [${weight?.shape}]`,
      "Give x as [batch, features] and the weight as [classes, features]",
    );
  return [{ dtype: x.dtype, shape: [x.shape[0]!, weight.shape[0]!] }];
});
