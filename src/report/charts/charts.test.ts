import { describe, expect, it } from "vitest";
import { evaluatePredictions } from "../../metrics/index.js";
import { confusionHeatmap } from "./heatmap.js";
import { lineChart } from "./lineChart.js";
import { reliabilityDiagram } from "./reliability.js";
import { responseCurve } from "./responseCurve.js";

const size = { width: 400, height: 300 };

/** Centres of the markers that carry a tooltip, with it. */
function markers(svg: string): { x: number; y: number; title: string }[] {
  return [...svg.matchAll(/matrix\([^)]*?,([\d.]+),([\d.]+)\)"[^>]*><title>([^<]*)/g)].map(([, x, y, title]) => ({
    x: Number(x),
    y: Number(y),
    title: title!,
  }));
}

function texts(svg: string): string[] {
  return [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text!);
}

describe("line chart", () => {
  const chart = (points: [number, number | null][], rest = {}) =>
    lineChart(
      "id",
      { label: "a chart", xName: "epoch", lines: [{ name: "loss", points, colour: "var(--accent)" }], ...rest },
      size,
    ).text;

  it("places points linearly and names them", () => {
    const [a, b, c] = markers(
      chart([
        [1, 1],
        [2, 3],
        [3, 2],
      ]),
    );
    // To a tenth of a pixel, the digits that the renderer writes.
    expect(b!.x - a!.x).toBeCloseTo(c!.x - b!.x, 1);
    expect(c!.y).toBeCloseTo((a!.y + b!.y) / 2, 1);
    expect([a, b, c].map((point) => point!.title)).toEqual([
      "loss, epoch 1: 1",
      "loss, epoch 2: 3",
      "loss, epoch 3: 2",
    ]);
  });

  it("takes a logarithmic scale past two decades: equal ratios are equal distances", () => {
    const [a, b, c] = markers(
      chart([
        [1, 10],
        [2, 0.1],
        [3, 0.001],
      ]),
    );
    expect(b!.y - a!.y).toBeCloseTo(c!.y - b!.y, 1);
  });

  it("leaves gaps for what is not finite, and draws nothing at all where nothing is", () => {
    expect(
      markers(
        chart([
          [1, 1],
          [2, Number.NaN],
          [3, null],
          [4, 2],
        ]),
      ),
    ).toHaveLength(2);
    expect(
      markers(
        chart([
          [1, null],
          [2, Number.POSITIVE_INFINITY],
        ]),
      ),
    ).toHaveLength(0);
    expect(chart([])).toContain("<svg");
  });

  it("shows a line of equal values and a single point", () => {
    expect(
      markers(
        chart([
          [1, 0.5],
          [2, 0.5],
        ]),
      ),
    ).toHaveLength(2);
    expect(markers(chart([[1, 0]]))).toHaveLength(1);
  });

  it("marks an epoch by a word, and keeps to the line alone for many points", () => {
    const many = Array.from({ length: 500 }, (_, i): [number, number] => [i + 1, i % 7]);
    const svg = chart(many, { mark: { x: 250, text: "kept" } });
    expect(texts(svg)).toContain("kept");
    expect(markers(svg)).toHaveLength(0);
    expect(svg.length).toBeLessThan(12_000);
  });
});

describe("confusion heat map", () => {
  const confusion = {
    classes: 3,
    cells: [
      [0, 0, 9],
      [0, 2, 1],
      [1, 1, 5],
      [2, 0, 4],
    ] as [number, number, number][],
  };
  const svg = confusionHeatmap("id", confusion, ["ant", "bee", "a very long name indeed"], 400).text;

  it("has a cell for each count that is not 0, right ones apart from mistakes, shaded by share of the true class", () => {
    const cells = [...svg.matchAll(/fill="var\(--(accent|mistake)\)"(?: fill-opacity="([\d.]+)")?><title>([^<]*)/g)];
    expect(cells.map(([, colour, , title]) => [colour, title])).toEqual([
      ["accent", "ant: right, 9 of 10 (90.0%)"],
      ["mistake", "ant taken for a very long name indeed: 1 of 10 (10.0%)"],
      ["accent", "bee: right, 5 of 5 (100.0%)"],
      ["mistake", "a very long name indeed taken for ant: 4 of 4 (100.0%)"],
    ]);
    const opacity = cells.map(([, , value]) => Number(value ?? 1));
    for (const [i, share] of [0.9, 0.1, 1, 1].entries())
      expect(opacity[i]).toBeCloseTo(0.06 + 0.94 * Math.sqrt(share), 3);
  });

  it("writes the counts into the cells and shortens long names", () => {
    expect(texts(svg)).toEqual(expect.arrayContaining(["9", "1", "5", "4", "ant", "bee", "a very long name …"]));
  });
});

describe("reliability diagram", () => {
  it("has a bar for each bin that holds examples, in both panels", () => {
    // Confidences 1/2 (tie: class 0) and 1 / (1 + e^-4) = 98%.
    const evaluation = evaluatePredictions(Int32Array.of(0, 1, 0), Float32Array.of(0, 0, 0, 4, 0, 4), 2);
    const svg = reliabilityDiagram("id", evaluation.calibration, size).text;
    const titles = [...svg.matchAll(/<title>([^<]*)/g)].map(([, title]) => title);
    expect(titles).toEqual([
      "Confidence 47% to 53%: 100.0% right at 50.0% mean confidence",
      "Confidence 93% to 100%: 50.0% right at 98.2% mean confidence",
      "Confidence 47% to 53%: 1 example, 33.3%",
      "Confidence 93% to 100%: 2 examples, 66.7%",
    ]);
    expect(svg).toContain("expected calibration error");
  });
});

describe("response curve", () => {
  const points = [-10, -9, -8].map((octave, i) => ({
    elr: 2 ** octave,
    loss: [0.3, 0.1, null][i]!,
    accuracy: [0.9, 0.95, null][i]!,
    full: i === 1,
    title: `trial ${i}`,
  }));

  it("places trials by log2 of their ELR in both panels, the diverged one as a cross at the top", () => {
    const fit = [-10, -9].map((octave) => ({ elr: 2 ** octave, loss: 0.2, low: 0.1, high: 0.3 }));
    const svg = responseCurve("id", { points, fit, chosen: 2 ** -9 }, size).text;
    const [low, high, lowAccuracy, highAccuracy] = markers(svg).filter(({ title }) => title !== "trial 2");
    expect([low, high, lowAccuracy, highAccuracy].map((point) => point!.title)).toEqual([
      "trial 0",
      "trial 1",
      "trial 0",
      "trial 1",
    ]);
    expect(lowAccuracy!.x).toBeCloseTo(low!.x, 1);
    expect(high!.y).toBeGreaterThan(low!.y);
    expect(highAccuracy!.y).toBeLessThan(lowAccuracy!.y);
    expect(svg).toMatch(/fill="var\(--mistake\)"[^>]*><title>trial 2/);
    expect(texts(svg)).toContain("chosen: 2⁻⁹");
    expect(texts(svg)).toEqual(expect.arrayContaining(["2⁻¹¹", "2⁻¹⁰", "2⁻⁸"]));
  });

  it("stands without a fit, without a choice, and with diverged trials alone", () => {
    for (const shown of [points, points.slice(2), points.slice(0, 1)]) {
      const svg = responseCurve("id", { points: shown, fit: [], chosen: null }, size).text;
      expect(svg).not.toMatch(/NaN|Infinity/);
      expect(texts(svg)).toContain("validation loss");
    }
  });
});
