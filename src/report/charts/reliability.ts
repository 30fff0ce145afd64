import type { CustomSeriesOption, LineSeriesOption } from "echarts/charts";
import { type Calibration, wilsonInterval } from "../../metrics/index.js";
import { counted, percent } from "../format.js";
import type { Html } from "../html.js";
import { colour } from "./palette.js";
import { axis, type ChartSize, fixedMargins, renderSvg, verticalAxis } from "./svg.js";

const margin = { ...fixedMargins, left: 56, right: 16 };

/**
 * Reliability diagram (Guo et al. 2017, figure 1): accuracy in each bin of confidence, with its 95% Wilson interval, against the diagonal of
 * perfect calibration; below, how many of the examples each bin holds.
 */
export function reliabilityDiagram(id: string, { bins, ece }: Calibration, size: ChartSize): Html {
  const examples = bins.reduce((sum, bin) => sum + bin.examples, 0);
  const filled = bins.filter((bin) => bin.examples > 0);
  const shareAxis = { min: 0, max: 1, axisLabel: { formatter: (share: number) => percent(share, 0) } };
  const lowerHeight = 56;
  const upperHeight = size.height - lowerHeight - 84;

  const bars = (heightOf: (bin: (typeof filled)[number]) => number, axisIndex: number): CustomSeriesOption => ({
    type: "custom",
    xAxisIndex: axisIndex,
    yAxisIndex: axisIndex,
    data: filled.map((bin, index) => [bin.lower, heightOf(bin), index]),
    renderItem(_, api) {
      const bin = filled[api.value(2) as number]!;
      const [x, top] = api.coord([bin.lower, heightOf(bin)]) as [number, number];
      const [right, bottom] = api.coord([bin.upper, 0]) as [number, number];
      // A bin whose examples are all wrong has a bar of height 0: a hairline shows that it is there.
      const height = Math.max(1, bottom - top);
      return {
        type: "rect",
        shape: { x: x + 1, y: bottom - height, width: right - x - 2, height },
        style: { fill: axisIndex === 0 ? colour.accent : colour.muted, opacity: axisIndex === 0 ? 0.75 : 0.6 },
      };
    },
  });
  const whiskers: CustomSeriesOption = {
    type: "custom",
    silent: true,
    data: filled.map((bin, index) => [(bin.lower + bin.upper) / 2, bin.accuracy, index]),
    renderItem(_, api) {
      const bin = filled[api.value(2) as number]!;
      const { low, high } = wilsonInterval(Math.round(bin.accuracy * bin.examples), bin.examples);
      const [x, from] = api.coord([(bin.lower + bin.upper) / 2, low]) as [number, number];
      const [, to] = api.coord([0, high]) as [number, number];
      return { type: "line", shape: { x1: x, y1: from, x2: x, y2: to }, style: { stroke: colour.ink, lineWidth: 1 } };
    },
  };
  const diagonal: LineSeriesOption = {
    type: "line",
    silent: true,
    data: [
      [0, 0],
      [1, 1],
    ],
    symbol: "none",
    color: colour.muted,
    lineStyle: { type: [4, 4], width: 1 },
  };
  const option = {
    grid: [
      { ...margin, top: 12, height: upperHeight },
      { ...margin, top: 12 + upperHeight + 28, height: lowerHeight },
    ],
    xAxis: [
      axis("", { gridIndex: 0, ...shareAxis, axisLabel: { show: false } }),
      axis("confidence", { gridIndex: 1, nameGap: 26, ...shareAxis }),
    ],
    yAxis: [
      verticalAxis({ gridIndex: 0, ...shareAxis, interval: 0.25 }),
      verticalAxis({ gridIndex: 1, ...shareAxis, interval: 1 }),
    ],
    series: [bars((bin) => bin.accuracy, 0), bars((bin) => bin.examples / examples, 1), whiskers, diagonal],
  };
  return renderSvg(id, option, size, {
    label: `Reliability diagram; expected calibration error ${percent(ece)}`,
    title(series, index) {
      const bin = filled[index];
      if (series > 1 || bin === undefined) return undefined;
      const range = `Confidence ${percent(bin.lower, 0)} to ${percent(bin.upper, 0)}`;
      return series === 0
        ? `${range}: ${percent(bin.accuracy)} right at ${percent(bin.confidence)} mean confidence`
        : `${range}: ${counted(bin.examples, "example")}, ${percent(bin.examples / examples)}`;
    },
  });
}
