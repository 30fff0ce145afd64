import { describe, expect, it } from "vitest";
import { chooseNormalization } from "./index.js";

describe("chooseNormalization", () => {
  const grey = { kind: "image", mean: [0.3], std: [0.2] } as const;
  const colour = { kind: "image", mean: [0.3, 0.4, 0.5], std: [0.2, 0.2, 0.2] } as const;
  const facts = { own: undefined, takesBytes: false, previousClasses: 10 };

  it("follows what the model was trained with, where that is known", () => {
    expect(chooseNormalization("auto", grey, { ...facts, own: { ...grey, mean: [0.9] } }).statistics).toMatchObject({
      mean: [0.9],
    });
    expect(chooseNormalization("auto", colour, { ...facts, previousClasses: 1000 }).words).toMatch("ImageNet");
    expect(chooseNormalization("auto", colour, { ...facts, takesBytes: true }).statistics).toMatchObject({
      std: [1 / 255, 1 / 255, 1 / 255],
    });
    expect(chooseNormalization("auto", colour, facts).statistics).toBe(colour);
    expect(chooseNormalization("data", colour, { ...facts, previousClasses: 1000 }).statistics).toBe(colour);
    expect(chooseNormalization("signed", grey).statistics).toEqual({ kind: "image", mean: [0.5], std: [0.5] });
  });

  it("refuses what does not fit", () => {
    const table = { kind: "table", numeric: [{ mean: 0, std: 1, range: 1, missing: false }] } as const;
    expect(() => chooseNormalization("imagenet", table)).toThrow(expect.objectContaining({ code: "ISO_ARGUMENT" }));
    expect(() => chooseNormalization("auto", table, { ...facts, own: grey })).toThrow(
      expect.objectContaining({
        code: "ISO_MODEL_UNSUITABLE",
        message: expect.stringContaining("images of 1 channel"),
      }),
    );
  });
});
