import { CustomChart, LineChart, ScatterChart } from "echarts/charts";
import { GridComponent, MarkLineComponent } from "echarts/components";
import { type EChartsCoreOption, init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { escapeHtml, type Html, trusted } from "../html.js";
import { colour } from "./palette.js";

use([CustomChart, LineChart, ScatterChart, GridComponent, MarkLineComponent, SVGRenderer]);

/** CSS pixels at which a chart's text has its own size. */
export interface ChartSize {
  readonly width: number;
  readonly height: number;
}

export interface ChartText {
  /** What the chart shows, for those who do not see it. */
  readonly label: string;
  /** The tooltip of a datum; undefined for none. */
  readonly title?: (series: number, datum: number) => string | undefined;
}

/** Draws an ECharts option as inline SVG without styles, scripts or identifiers of its own beyond `id`; colours stay CSS variables. */
export function renderSvg(id: string, option: EChartsCoreOption, size: ChartSize, text: ChartText): Html {
  const chart = init(null, null, { renderer: "svg", ssr: true, ...size });
  try {
    chart.setOption({ animation: false, ...option });
    return trusted(cleaned(chart.renderToSVGString(), id, size, text));
  } finally {
    // Without it zrender's timer keeps the process alive.
    chart.dispose();
  }
}

/**
 * zrender's SVG carries hover rules in a style element, inline styles, and metadata attributes of each datum. The page's content security
 * policy forbids inline styles, identifiers would clash between charts, and the metadata is where a native tooltip belongs. Text is escaped
 * by zrender, quotes included, so no label can look like an attribute here.
 */
function cleaned(svg: string, id: string, { width, height }: ChartSize, { label, title }: ChartText): string {
  return svg
    .replace(/<style[\s\S]*?<\/style>/g, "")
    .replace(
      /<svg [^>]*>/,
      `<svg width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(label)}">`,
    )
    .replace(/<rect width="\d+" height="\d+" x="0" y="0" fill="none"[^>]*><\/rect>/, "")
    .replace(/ (?:class="zr[^"]*"|pointer-events="visible"|xml:space="preserve"|stroke-linejoin="bevel")/g, "")
    .replace(/ style="([^"]*)"/g, (_, declarations: string) => presentationAttributes(declarations))
    .replace(/zr\d+-c(\d+)/g, `${id}-$1`)
    .replace(
      /<(\w+)([^>]*?) ecmeta_series_index="(\d+)" ecmeta_data_index="(\d+)"[^>]*>/g,
      (_, tag, rest, series, datum) => {
        const tooltip = title?.(Number(series), Number(datum));
        return `<${tag}${rest}>${tooltip === undefined ? "" : `<title>${escapeHtml(tooltip)}</title>`}`;
      },
    )
    .replace(/<path d=""[^>]*><\/path>/g, "")
    .replace(/<(path|rect|circle|line|polyline|polygon)([^>]*)><\/\1>/g, "<$1$2/>")
    .replace(/ >/g, ">")
    .replace(/\n+/g, "\n");
}

/** `font-size:12px;font-family:x;` as attributes; the family is the page's. */
function presentationAttributes(declarations: string): string {
  return declarations
    .split(";")
    .map((declaration) => declaration.split(":"))
    .filter(([name, value]) => value !== undefined && name !== "font-family")
    .map(([name, value]) => ` ${name}="${value}"`)
    .join("");
}

/** Margins count to the plot's own frame: plots above one another keep one horizontal scale, whatever their labels. */
export const fixedMargins = { outerBoundsMode: "none" } as const;

/** Text size in charts, CSS pixels. */
export const chartFontSize = 12;

const axisText = { color: colour.muted, fontSize: chartFontSize };

/** What all axes share: hairlines, muted text, the name outside. */
export function axis(name: string, rest: Readonly<Record<string, unknown>> = {}) {
  const { axisLabel, ...others } = rest as { axisLabel?: object };
  return {
    type: "value" as const,
    name,
    nameLocation: "middle" as const,
    nameTextStyle: axisText,
    axisLine: { show: true, lineStyle: { color: colour.line } },
    axisTick: { show: false },
    splitLine: { show: false },
    axisLabel: { ...axisText, ...axisLabel },
    ...others,
  };
}

/** A vertical axis: no line, horizontal hairlines through the plot, its name above. */
export function verticalAxis(rest: Readonly<Record<string, unknown>> = {}) {
  return axis("", {
    axisLine: { show: false },
    splitLine: { show: true, lineStyle: { color: colour.grid } },
    ...rest,
  });
}
