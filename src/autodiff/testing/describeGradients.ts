import { describe, expect, it } from "vitest";
import { checkGradient, type GradientCheck } from "./finiteDifference.js";

/**
 * A test for each case: its gradients agree with central differences of the same graph in float64, or in float32 for the cases of operators that
 * ONNX Runtime has no float64 kernel for.
 */
export function describeGradients(
  title: string,
  cases: Readonly<Record<string, GradientCheck>>,
  precision: "float64" | "float32" = "float64",
): void {
  describe(title, () => {
    for (const [name, check] of Object.entries(cases))
      it(`${name} agrees with central differences`, async () => {
        expect(await checkGradient(check)).toBe(precision);
      });
  });
}
