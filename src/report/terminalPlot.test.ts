import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { terminalPlot } from "./terminalPlot.js";

describe("terminal plot", () => {
  it("draws points, fit and chosen one over log2 of the ELR", () => {
    const points = [-10, -9, -8, -7, -6].map((octave) => ({
      elr: 2 ** octave,
      loss: 0.2 + 0.1 * Math.abs(octave + 8),
      full: false,
    }));
    const lines = terminalPlot(
      {
        points: [...points, { elr: 2 ** -8, loss: 0.1, full: true }, { elr: 2 ** -5, loss: null, full: false }],
        fit: [{ elr: 2 ** -9.5, loss: 0.35 }],
        chosen: 2 ** -8,
      },
      { width: 48, height: 7, unicode: false },
    );
    // 41 columns over five octaves: eight an octave.
    expect(lines).toEqual([
      "validation loss by ELR",
      "      |                                        x",
      "  0.4 |o                               o",
      "      |    .",
      "      |        o               o",
      " 0.22 |                o",
      "      |",
      "  0.1 |                @",
      "      ++-------+-------+-------+-------+-------+",
      "     2^-10   2^-9    2^-8    2^-7    2^-6   2^-5",
      "       @ chosen   o shorter   x diverged   . fit",
    ]);
  });

  it("keeps to its width and to ASCII when asked, whatever the points", () => {
    const point = fc.record({
      elr: fc.double({ min: 1e-8, max: 4, noNaN: true }),
      loss: fc.option(fc.double({ min: -10, max: 1e6 })),
      full: fc.boolean(),
    });
    fc.assert(
      fc.property(
        fc.array(point, { minLength: 1, maxLength: 30 }),
        fc.integer({ min: 40, max: 160 }),
        fc.integer({ min: 3, max: 20 }),
        (points, width, height) => {
          const chosen = points[0]!.elr;
          const lines = terminalPlot(
            { points, fit: [{ elr: 1, loss: 1e9 }], chosen },
            { width, height, unicode: false },
          );
          expect(lines).toHaveLength(height + 4);
          for (const line of lines.slice(0, -1)) expect(line.length).toBeLessThanOrEqual(width);
          for (const line of lines) expect(line).toMatch(/^[\x20-\x7e]*$/);
        },
      ),
    );
  });

  it("is empty where there is nothing to plot, and plots diverged trials alone", () => {
    expect(terminalPlot({ points: [], chosen: null })).toEqual([]);
    expect(terminalPlot({ points: [{ elr: 0, loss: 1, full: true }], chosen: null })).toEqual([]);
    const lines = terminalPlot({ points: [{ elr: 0.5, loss: null, full: true }], chosen: null });
    expect(lines.join("\n")).toContain("×");
  });

  it("puts equal losses in the middle and losses over a decade apart on a logarithmic scale", () => {
    const flat = terminalPlot(
      {
        points: [
          { elr: 0.25, loss: 2, full: false },
          { elr: 1, loss: 2, full: false },
        ],
        chosen: null,
      },
      { height: 7 },
    );
    expect(flat[1 + 3]).toMatch(/^ +2 │○ .*○$/);
    const wide = terminalPlot(
      { points: [1, 2, 4].map((elr, i) => ({ elr, loss: 10 ** i, full: false })), chosen: null },
      { height: 8, width: 40 },
    );
    // Rows 1 to 7 hold 100 ... 1; 10 lies in the middle on a logarithmic scale.
    expect(wide.map((line) => line.indexOf("○") >= 0)).toEqual([
      false,
      false,
      true,
      false,
      false,
      true,
      false,
      false,
      true,
      false,
      false,
      true,
    ]);
  });
});
