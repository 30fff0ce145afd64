import type { LineSeriesOption } from "echarts/charts";
import { isFigure, significant } from "../format.js";
import type { Html } from "../html.js";
import { colour } from "./palette.js";
import { axis, type ChartSize, chartFontSize, fixedMargins, renderSvg, verticalAxis } from "./svg.js";

export interface Line {
  readonly name: string;
  /** x and y; a y that is null or not finite leaves a gap. x ascends. */
  readonly points: readonly (readonly [x: number, y: number | null])[];
  /** A CSS colour, of the palette. */
  readonly colour: string;
  /** Drawn heavier: the one that was chosen among many. */
  readonly heavy?: boolean;
}

export interface LineChart {
  /** What the chart shows, for those who do not see it. */
  readonly label: string;
  readonly xName: string;
  readonly lines: readonly Line[];
  /** How a y reads on the axis and in tooltips; default four significant digits. */
  readonly format?: (y: number) => string;
  /** A vertical line with a word: the epoch that was kept. */
  readonly mark?: { readonly x: number; readonly text: string };
  /** y from 0 on; default as far as the lines reach. */
  readonly fromZero?: boolean;
}

/** Above it points are not marked: the line says it all, and each mark costs a hundred bytes. */
const mostMarkedPoints = 60;

/**
 * Lines over a numeric axis. Positive values that span more than two decades stand on a logarithmic axis: a loss that falls from 2.3 to
 * 0.002 would else be a corner.
 */
export function lineChart(id: string, chart: LineChart, size: ChartSize): Html {
  const { lines, mark, format = (y) => significant(y) } = chart;
  const ys = lines.flatMap(({ points }) => points.map(([, y]) => y)).filter(isFigure);
  const xs = lines.flatMap(({ points }) => points.map(([x]) => x));
  const [first, last] = [Math.min(...xs), Math.max(...xs)];
  const lowest = Math.min(...ys);
  const highest = Math.max(...ys);
  const logarithmic = lowest > 0 && highest / lowest > 100;
  const constant = lowest === highest;
  const points = Math.max(0, ...lines.map(({ points }) => points.length));
  const marked = points <= mostMarkedPoints;

  const series = lines.map(
    (line, index): LineSeriesOption => ({
      type: "line",
      data: line.points.map(([x, y]) => [x, isFigure(y) && !(logarithmic && y <= 0) ? y : "-"]),
      color: line.colour,
      lineStyle: { width: line.heavy ? 3 : 1.75 },
      symbol: "circle",
      symbolSize: chart.lines.length > 4 || points > 25 ? 3 : 4.5,
      // A lone point has no line to show it.
      showSymbol: marked || line.points.length === 1,
      sampling: "lttb",
      emphasis: { disabled: true },
      ...(index === 0 && mark !== undefined && { markLine: verticalMark(mark, first, last) }),
    }),
  );

  const option = {
    grid: { ...fixedMargins, left: 56, right: 16, top: 24, bottom: 44 },
    xAxis: axis(chart.xName, {
      nameGap: 26,
      min: first === last ? first - 1 : first,
      max: first === last ? last + 1 : last,
      minInterval: 1,
      splitNumber: size.width < 400 ? 4 : 6,
      axisLabel: { showMinLabel: Number.isInteger(first), showMaxLabel: Number.isInteger(last), hideOverlap: true },
    }),
    yAxis: verticalAxis({
      type: logarithmic ? "log" : "value",
      scale: !chart.fromZero,
      ...(chart.fromZero && !logarithmic && { min: 0 }),
      // A line of equal values would else lie on the frame.
      ...(constant &&
        !chart.fromZero && { min: lowest - Math.abs(lowest || 1) / 2, max: highest + Math.abs(highest || 1) / 2 }),
      // By itself the axis would reach to whole decades, most of the highest one empty.
      ...(logarithmic && { min: lowest / 1.2, max: highest * 1.2 }),
      splitNumber: 4,
      axisLabel: { formatter: format, ...(logarithmic && { showMinLabel: false, showMaxLabel: false }) },
    }),
    series,
  };
  return renderSvg(id, option, size, {
    label: chart.label,
    title(series, datum) {
      const line = lines[series];
      const point = line?.points[datum];
      if (line === undefined || point === undefined || !isFigure(point[1])) return undefined;
      return `${line.name}, ${chart.xName} ${significant(point[0])}: ${format(point[1])}`;
    },
  });
}

function verticalMark({ x, text }: { x: number; text: string }, first: number, last: number) {
  const share = last === first ? 0.5 : (x - first) / (last - first);
  return {
    silent: true,
    symbol: "none",
    lineStyle: { color: colour.muted, type: [3, 3], width: 1 },
    label: {
      formatter: () => text,
      color: colour.muted,
      fontSize: chartFontSize,
      // Near an edge the word would leave the chart.
      align: share > 0.8 ? "right" : share < 0.2 ? "left" : "center",
    },
    data: [{ xAxis: x }],
  } as LineSeriesOption["markLine"];
}
