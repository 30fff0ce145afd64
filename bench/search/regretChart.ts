import { init } from "echarts";

export interface RegretPanel {
  readonly title: string;
  readonly lines: readonly RegretLine[];
}

export interface RegretLine {
  readonly name: string;
  readonly colour: string;
  readonly dashed: boolean;
  readonly heavy: boolean;
  /** Cost in full trainings, and median regret in units of one seed's noise. */
  readonly points: readonly (readonly [cost: number, regret: number])[];
}

const ink = "#1d2024";
const muted = "#60656d";
const grid = "#ebecee";
/** Lower regrets are drawn there: a hundredth of the noise is none. */
const floor = 0.01;
const ceiling = 100;

/** Median regret against cost, both logarithmic, one panel above another; a standalone SVG file on white. */
export function regretChart(panels: readonly RegretPanel[]): string {
  const [width, panelHeight, legendHeight] = [900, 330, 90];
  const height = legendHeight + panels.length * panelHeight;
  const top = (index: number): number => legendHeight + index * panelHeight + 34;
  const axisText = { color: muted, fontSize: 12 };
  const longest = Math.max(
    ...panels.flatMap(({ lines }) => lines.flatMap(({ points }) => points.map(([cost]) => cost))),
  );
  const names = [...new Set(panels.flatMap(({ lines }) => lines.map(({ name }) => name)))];
  const chart = init(null, null, { renderer: "svg", ssr: true, width, height });
  chart.setOption({
    animation: false,
    backgroundColor: "#ffffff",
    textStyle: { fontFamily: "system-ui, sans-serif" },
    legend: {
      data: names,
      top: 8,
      left: 60,
      right: 20,
      itemWidth: 30,
      itemGap: 22,
      textStyle: { color: ink, fontSize: 12 },
    },
    title: panels.map(({ title }, index) => ({
      text: title,
      left: 60,
      top: top(index) - 30,
      textStyle: { color: ink, fontSize: 14, fontWeight: "bold" },
    })),
    grid: panels.map((_, index) => ({ left: 64, right: 24, top: top(index), height: panelHeight - 90 })),
    xAxis: panels.map((_, gridIndex) => ({
      gridIndex,
      type: "log",
      logBase: 2,
      min: 0.5,
      max: longest,
      name: "cost, full trainings",
      nameLocation: "middle",
      nameGap: 24,
      nameTextStyle: axisText,
      axisLabel: { ...axisText, formatter: (value: number) => (value > 32 ? "" : String(value)) },
      axisLine: { lineStyle: { color: muted } },
      splitLine: { show: false },
    })),
    yAxis: panels.map((_, gridIndex) => ({
      gridIndex,
      type: "log",
      min: floor,
      max: ceiling,
      name: "median regret, in one seed's noise",
      nameLocation: "middle",
      nameGap: 44,
      nameTextStyle: axisText,
      axisLabel: { ...axisText, formatter: (value: number) => (value <= floor ? `≤ ${floor}` : String(value)) },
      splitLine: { lineStyle: { color: grid } },
    })),
    series: panels.flatMap(({ lines }, index) =>
      lines.map(({ name, colour, dashed, heavy, points }, first) => ({
        type: "line",
        name,
        xAxisIndex: index,
        yAxisIndex: index,
        color: colour,
        // A full training more is bought whole: between two costs the regret stays.
        step: "end",
        // A search that ends, and one that is a single training, have a mark at their end.
        symbol: points.length === 1 ? (dashed ? "emptyCircle" : "circle") : "circle",
        symbolSize: (_: unknown, { dataIndex }: { dataIndex: number }) =>
          dataIndex === points.length - 1 && points[dataIndex]![0] < longest ? 9 : 0,
        lineStyle: { width: heavy ? 3.5 : 1.75, type: dashed ? [5, 4] : "solid" },
        z: heavy ? 3 : 2,
        clip: true,
        data: points.map(([cost, regret]) => [cost, Math.min(ceiling, Math.max(floor, regret))]),
        ...(first === 0 && {
          markLine: {
            silent: true,
            symbol: "none",
            lineStyle: { color: muted, type: "dotted" },
            label: { formatter: "one seed's noise", color: muted, position: "insideEndTop" },
            data: [{ yAxis: 1 }],
          },
        }),
      })),
    ),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}
