import type { CustomSeriesOption, LineSeriesOption, ScatterSeriesOption } from "echarts/charts";
import { elrText, isFigure, percentTick, powerOfTwo, significant } from "../format.js";
import type { Html } from "../html.js";
import { colour } from "./palette.js";
import { axis, type ChartSize, chartFontSize, fixedMargins, renderSvg, verticalAxis } from "./svg.js";

/** A trial as the response curve shows it. */
export interface ResponsePoint {
  readonly elr: number;
  /** Null where training diverged: it stands as a cross at the top. */
  readonly loss: number | null;
  readonly accuracy: number | null;
  /** Of full length; the others are hollow. */
  readonly full: boolean;
  readonly title: string;
}

/** A fitted curve of validation loss with its uncertainty. */
export interface FittedPoint {
  readonly elr: number;
  readonly loss: number;
  readonly low: number;
  readonly high: number;
}

export interface ResponseCurve {
  readonly points: readonly ResponsePoint[];
  /** By ascending ELR; empty where nothing was fitted. */
  readonly fit: readonly FittedPoint[];
  /** The effective learning rate that was chosen; null where none was. */
  readonly chosen: number | null;
}

const margin = { ...fixedMargins, left: 56, right: 16 };
const cross = "path://M-4,-3L-3,-4L0,-1L3,-4L4,-3L1,0L4,3L3,4L0,1L-3,4L-4,3L-1,0Z";

/**
 * What effective learning rate does to the trained model: validation loss above, with the fitted curve and its uncertainty, and validation
 * accuracy below, over log2 of the ELR.
 */
export function responseCurve(id: string, { points, fit, chosen }: ResponseCurve, size: ChartSize): Html {
  const octaves = [...points, ...fit].map(({ elr }) => Math.log2(elr));
  if (chosen !== null) octaves.push(Math.log2(chosen));
  const from = Math.floor(Math.min(...octaves) - 0.25);
  const to = Math.ceil(Math.max(...octaves) + 0.25);
  const losses = points.map(({ loss }) => loss).filter(isFigure);
  const loss = lossAxis(losses, fit);
  const upperHeight = Math.round((size.height - 90) * 0.6);
  const lowerTop = 30 + upperHeight + 30;

  const octaveAxis = { min: from, max: to, interval: to - from > 9 && size.width < 400 ? 2 : 1 };
  const band: CustomSeriesOption = {
    type: "custom",
    silent: true,
    clip: true,
    data: fit.length > 1 ? [[Math.log2(fit[0]!.elr), fit[0]!.loss]] : [],
    renderItem(_, api) {
      const edge = (point: FittedPoint, y: number) => api.coord([Math.log2(point.elr), Math.max(y, loss.min)]);
      const polygon = [
        ...fit.map((point) => edge(point, point.high)),
        ...[...fit].reverse().map((point) => edge(point, point.low)),
      ];
      return { type: "polygon", shape: { points: polygon }, style: { fill: colour.accent, opacity: 0.13 } };
    },
  };
  const curve: LineSeriesOption = {
    type: "line",
    silent: true,
    symbol: "none",
    data: fit.map((point) => [Math.log2(point.elr), point.loss]),
    color: colour.accent,
    lineStyle: { width: 1.5 },
    ...(chosen !== null && { markLine: chosenMark(chosen, from, to) }),
  };
  const judged = points.filter(({ loss }) => isFigure(loss));
  const lost = points.filter(({ loss }) => !isFigure(loss));
  const scored = points.filter(({ accuracy }) => isFigure(accuracy));
  const diverged: ScatterSeriesOption = {
    type: "scatter",
    data: lost.map(({ elr }) => [Math.log2(elr), loss.max]),
    symbol: cross,
    symbolSize: 9,
    symbolOffset: [0, 8],
    itemStyle: { color: colour.mistake, opacity: 1 },
    emphasis: { disabled: true },
  };
  const accuracyMark: LineSeriesOption = {
    type: "line",
    silent: true,
    xAxisIndex: 1,
    yAxisIndex: 1,
    data: [],
    ...(chosen !== null && { markLine: { ...chosenMark(chosen, from, to), label: { show: false } } }),
  };
  const option = {
    grid: [
      { ...margin, top: 30, height: upperHeight },
      { ...margin, top: lowerTop, bottom: 44 },
    ],
    xAxis: [
      axis("", { gridIndex: 0, ...octaveAxis, axisLabel: { show: false }, axisTick: { show: true, length: 3 } }),
      axis("effective learning rate", {
        gridIndex: 1,
        nameGap: 26,
        ...octaveAxis,
        axisTick: { show: true, length: 3 },
        axisLabel: { formatter: powerOfTwo },
      }),
    ],
    yAxis: [
      verticalAxis({
        gridIndex: 0,
        type: loss.logarithmic ? "log" : "value",
        min: loss.min,
        max: loss.max,
        splitNumber: 4,
        axisLabel: { formatter: (y: number) => significant(y, 3), showMinLabel: false, showMaxLabel: false },
        ...axisTitle("validation loss"),
      }),
      verticalAxis({
        gridIndex: 1,
        scale: true,
        splitNumber: 3,
        axisLabel: { formatter: percentTick },
        ...axisTitle("validation accuracy"),
      }),
    ],
    series: [
      band,
      curve,
      scatter(judged, ({ loss }) => loss, 0),
      diverged,
      accuracyMark,
      scatter(scored, ({ accuracy }) => accuracy, 1),
    ],
  };
  const shown: readonly (readonly ResponsePoint[])[] = [[], [], judged, lost, [], scored];
  return renderSvg(id, option, size, {
    label: `Validation loss and accuracy against effective learning rate${chosen === null ? "" : `; ${elrText(chosen)} was chosen`}`,
    title: (series, datum) => shown[series]?.[datum]?.title,
  });
}

/** Room around points and fit; logarithmic where the points span more than a decade. The band may leave it, and is cut. */
function lossAxis(losses: readonly number[], fit: readonly FittedPoint[]) {
  const values = [...losses, ...fit.map(({ loss }) => loss)].filter((value) => Number.isFinite(value));
  if (values.length === 0) return { min: 0, max: 1, logarithmic: false };
  const [lowest, highest] = [Math.min(...values), Math.max(...values)];
  if (lowest > 0 && highest / lowest > 10) return { min: lowest / 1.4, max: highest * 1.6, logarithmic: true };
  const room = (highest - lowest || Math.abs(highest) || 1) * 0.15;
  return {
    min: lowest >= 0 ? Math.max(0, lowest - room) : lowest - room,
    max: highest + 1.4 * room,
    logarithmic: false,
  };
}

/** Full-length trials solid, shorter ones hollow. */
function scatter(
  points: readonly ResponsePoint[],
  yOf: (point: ResponsePoint) => number | null,
  axisIndex: number,
): ScatterSeriesOption {
  return {
    type: "scatter",
    xAxisIndex: axisIndex,
    yAxisIndex: axisIndex,
    symbol: "circle",
    emphasis: { disabled: true },
    data: points.map((point) => ({
      value: [Math.log2(point.elr), yOf(point)!],
      symbolSize: point.full ? 9 : 8,
      itemStyle: point.full
        ? { color: colour.accent, borderColor: colour.surface, borderWidth: 1, opacity: 1 }
        : { color: colour.surface, borderColor: colour.muted, borderWidth: 1.5, opacity: 1 },
    })),
  };
}

function chosenMark(chosen: number, from: number, to: number): LineSeriesOption["markLine"] {
  const share = (Math.log2(chosen) - from) / (to - from);
  return {
    silent: true,
    symbol: "none",
    lineStyle: { color: colour.ink, type: [3, 3], width: 1 },
    label: {
      formatter: () => `chosen: ${powerOfTwo(Math.log2(chosen))}`,
      color: colour.ink,
      fontSize: chartFontSize,
      align: share > 0.75 ? "right" : share < 0.4 ? "left" : "center",
    },
    data: [{ xAxis: Math.log2(chosen) }],
  };
}

function axisTitle(name: string) {
  return {
    name,
    nameLocation: "end",
    nameGap: 10,
    nameTextStyle: { color: colour.muted, fontSize: chartFontSize, align: "left", padding: [0, 0, 0, -52] },
  };
}
