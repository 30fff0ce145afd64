import type { CustomSeriesOption } from "echarts/charts";
import type { Confusion } from "../../metrics/index.js";
import { percent, shortened } from "../format.js";
import type { Html } from "../html.js";
import { colour } from "./palette.js";
import { axis, chartFontSize, fixedMargins, renderSvg } from "./svg.js";

/** Beyond it a cell is a few pixels and names cannot be read: a list of the most frequent confusions says more. */
export const mostHeatmapClasses = 40;

/** A character's mean width at the chart's font size, px. */
const characterWidth = 6.6;
const longestName = 18;

/**
 * The confusion matrix as a heat map, truths down and predictions across: right ones in the accent, mistakes in the mistakes' colour. Shade is
 * the share of the true class's examples, on a square-root scale, so that one mistake in a hundred can still be seen. At most
 * `mostHeatmapClasses` classes.
 *
 * @param width - px to be filled; with many classes the chart is wider than a narrow `width` and wants a box that scrolls
 */
export function confusionHeatmap(id: string, confusion: Confusion, classes: readonly string[], width: number): Html {
  const names = classes.map((name) => shortened(name, longestName));
  const nameWidth = Math.ceil(characterWidth * Math.max(...names.map((name) => name.length))) + 8;
  const left = nameWidth + 24;
  const cell = Math.min(72, Math.max(15, Math.floor((width - left - 8) / names.length)));
  const upright = nameWidth > cell;
  const bottom = (upright ? nameWidth : 20) + 26;
  const plot = cell * names.length;
  const support = new Float64Array(names.length);
  for (const [truth, , examples] of confusion.cells) support[truth]! += examples;

  const share = ([truth, , examples]: (typeof confusion.cells)[number]) => examples / support[truth]!;
  const renderItem: CustomSeriesOption["renderItem"] = (_, api) => {
    const datum = confusion.cells[api.value(2) as number]!;
    const [truth, predicted, examples] = datum;
    const right = truth === predicted;
    const opacity = 0.06 + 0.94 * Math.sqrt(share(datum));
    const [x, y] = api.coord([predicted, truth]) as [number, number];
    const text = cell >= 20 && characterWidth * String(examples).length < cell ? String(examples) : "";
    return {
      type: "group",
      children: [
        {
          type: "rect",
          shape: { x: x - cell / 2 + 0.5, y: y - cell / 2 + 0.5, width: cell - 1, height: cell - 1 },
          style: { fill: right ? colour.accent : colour.mistake, opacity },
        },
        {
          type: "text",
          silent: true,
          style: {
            text,
            x,
            y,
            align: "center",
            verticalAlign: "middle",
            fontSize: chartFontSize,
            fill: opacity > 0.6 ? (right ? colour.onAccent : colour.onMistake) : colour.ink,
          },
        },
      ],
    };
  };
  const category = {
    type: "category",
    data: names.map((_, index) => index),
    splitLine: { show: false },
    axisLine: { show: false },
  };
  const nameOf = (index: string) => names[Number(index)]!;
  const option = {
    grid: {
      ...fixedMargins,
      left,
      top: 4,
      width: plot,
      height: plot,
      show: true,
      backgroundColor: colour.surface,
      borderColor: colour.line,
    },
    xAxis: axis("predicted", {
      ...category,
      nameGap: bottom - 20,
      axisLabel: { interval: 0, rotate: upright ? 90 : 0, margin: 6, formatter: nameOf },
    }),
    yAxis: axis("true class", {
      ...category,
      inverse: true,
      nameGap: left - 14,
      axisLabel: { interval: 0, margin: 6, formatter: nameOf },
    }),
    series: [
      {
        type: "custom",
        renderItem,
        data: confusion.cells.map(([truth, predicted], index) => [predicted, truth, index]),
      } satisfies CustomSeriesOption,
    ],
  };
  return renderSvg(
    id,
    option,
    { width: left + plot + 8, height: plot + bottom + 4 },
    {
      label: `Confusion matrix of ${names.length} classes`,
      title(_, index) {
        const datum = confusion.cells[index]!;
        const [truth, predicted, examples] = datum;
        const whole = `${examples} of ${support[truth]} (${percent(share(datum))})`;
        return truth === predicted
          ? `${classes[truth]}: right, ${whole}`
          : `${classes[truth]} taken for ${classes[predicted]}: ${whole}`;
      },
    },
  );
}
