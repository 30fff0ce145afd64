import { attributeInt, attributeString } from "../attributes.js";
import { required, requireFloat, requireRank, requireSameType, requireVector, shapeError } from "./context.js";
import { type InferRule, registerInference } from "./registry.js";

/**
 * X [T, B, I] (T steps, B sequences), W [D, G H, I], R [D, G H, H] with D directions, G gates and H units -> Y [T, D, B, H] and the last state [D, B, H], one
 * more for LSTM. With layout 1 the batch comes first.
 */
const recurrent =
  (gates: number, states: number): InferRule =>
  (context) => {
    const [x, w, r] = [0, 1, 2].map((index) => required(context, index)) as [
      ReturnType<typeof required>,
      ReturnType<typeof required>,
      ReturnType<typeof required>,
    ];
    requireFloat(context, x);
    requireSameType(context, x, w, r, context.inputs[3]);
    for (const [value, label] of [
      [x, "X"],
      [w, "W"],
      [r, "R"],
    ] as const)
      requireRank(context, value, 3, label);
    const directions = attributeString(context.attributes, "direction", "forward") === "bidirectional" ? 2 : 1;
    const units = r.shape[2]!;
    const wanted = [directions, gates * units];
    const batchFirst = attributeInt(context.attributes, "layout", 0) === 1;
    const [steps, batch] = batchFirst ? [x.shape[1]!, x.shape[0]!] : [x.shape[0]!, x.shape[1]!];
    for (const [value, last, label] of [
      [w, x.shape[2]!, "W"],
      [r, units, "R"],
    ] as const)
      if (value.shape.join() !== [...wanted, last].join())
        throw shapeError(context, `${label} must have shape [${[...wanted, last].join(", ")}]`);
    const hidden = attributeInt(context.attributes, "hidden_size", units);
    if (hidden !== units) throw shapeError(context, `hidden_size ${hidden} is not that of R, ${units}`);
    requireVector(context, context.inputs[4], batch, "sequence_lens");
    const { dtype } = x;
    const shape = batchFirst ? [batch, steps, directions, units] : [steps, directions, batch, units];
    const state = { dtype, shape: batchFirst ? [batch, directions, units] : [directions, batch, units] };
    return [{ dtype, shape }, ...Array.from({ length: states }, () => state)];
  };

registerInference("RNN", recurrent(1, 1));
registerInference("GRU", recurrent(3, 1));
registerInference("LSTM", recurrent(4, 2));
