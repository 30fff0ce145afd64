import type { ChartSize } from "./charts/svg.js";
import { percent } from "./format.js";
import { type Content, type Html, html } from "./html.js";

/** A figure and its name, in the row at the top. */
export interface Tile {
  readonly name: string;
  readonly value: Content;
  readonly detail?: Content;
}

/** Headline figures; the first is the one that counts. */
export function tiles(list: readonly Tile[]): Html {
  return html`<dl class="tiles${list.length <= 5 ? " five" : ""}">${list.map(
    ({ name, value, detail }, index) =>
      html`<div${index === 0 ? html` class="main"` : ""}><dt>${name}</dt><dd>${value}${detail ? html`<small>${detail}</small>` : ""}</dd></div>`,
  )}</dl>`;
}

/** Sentences that a reader should not miss. */
export function notes(sentences: readonly Content[]): Html | "" {
  if (sentences.length === 0) return "";
  return html`<ul class="notes" aria-label="Warnings">${sentences.map((sentence) => html`<li>${sentence}</li>`)}</ul>`;
}

/** What a line's or point's colour stands for. `swatch` is a class of the style sheet: accent, muted, sequence-0, ... */
export interface LegendEntry {
  readonly text: Content;
  readonly swatch: string;
  /** Default a line. */
  readonly mark?: "line" | "disc" | "ring" | "square" | "cross";
}

export function legend(entries: readonly LegendEntry[]): Html {
  return html`<ul class="legend">${entries.map(
    ({ text, swatch, mark = "line" }) =>
      html`<li><svg class="${swatch}" width="14" height="10" viewBox="0 0 14 10" aria-hidden="true">${marks[mark]}</svg>${text}</li>`,
  )}</ul>`;
}

const marks = {
  line: html`<path d="M0 5H14" stroke="currentColor" stroke-width="2"/>`,
  disc: html`<circle cx="7" cy="5" r="4.5" fill="currentColor"/>`,
  ring: html`<circle cx="7" cy="5" r="3.75" fill="none" stroke="currentColor" stroke-width="1.5"/>`,
  cross: html`<path d="M3 1L11 9M11 1L3 9" stroke="currentColor" stroke-width="1.75"/>`,
  square: html`<rect x="2" width="10" height="10" fill="currentColor"/>`,
};

export interface Figure {
  readonly title: string;
  readonly note?: Content;
  readonly legend?: readonly LegendEntry[];
  readonly chart: Content;
  /** The figures behind the chart. */
  readonly table?: Content;
  /** Over the whole width. */
  readonly broad?: boolean;
}

export function figure({ title, note, legend: entries, chart, table, broad }: Figure): Html {
  return html`<figure${broad ? html` class="broad"` : ""}><figcaption><h3>${title}</h3>${
    note ? html`<p class="note">${note}</p>` : ""
  }${entries ? legend(entries) : ""}</figcaption>
${chart}${table ? html`<details><summary>Figures of “${title}” as a table</summary>${table}</details>` : ""}</figure>
`;
}

/** Half of the page, and a phone: a chart drawn for one is unreadable or clumsy on the other. */
const wideSize: ChartSize = { width: 520, height: 290 };
const narrowSize: ChartSize = { width: 344, height: 250 };

/** Draws a chart twice, and the style sheet shows the one that fits. `draw` gets an identifier and a size of its own for each. */
export function responsive(
  id: string,
  draw: (id: string, size: ChartSize) => Html,
  scale: Partial<ChartSize> = {},
): Html {
  const wide = { ...wideSize, ...scale };
  const narrow = { ...narrowSize, height: Math.round((narrowSize.height * wide.height) / wideSize.height) };
  return html`<div class="chart wide">${draw(`${id}-w`, wide)}</div><div class="chart narrow">${draw(`${id}-n`, narrow)}</div>`;
}

export interface Column<Row> {
  readonly title: Content;
  readonly cell: (row: Row) => Content;
  /** Aligns right, and sorts by it. */
  readonly value?: (row: Row) => number | null;
  /** Names the row. */
  readonly heading?: boolean;
  /** May break anywhere. */
  readonly path?: boolean;
}

/** A table in a box that scrolls sideways, reachable by keyboard. Past 25 rows a sortable one gets a height of its own. */
export function table<Row>(
  label: string,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  { sortable = false }: { sortable?: boolean } = {},
): Html {
  const head = columns.map(
    ({ title, value }) => html`<th scope="col"${value ? html` class="number"` : ""}>${title}</th>`,
  );
  const body = rows.map(
    (row) =>
      html`<tr>${columns.map((column) => {
        const value = column.value?.(row);
        const attributes = html`${
          column.value ? html` class="number"` : column.path ? html` class="path"` : ""
        }${sortable && column.value ? html` data-value="${Number.isFinite(value) ? value : -1}"` : ""}`;
        const content = column.cell(row);
        return column.heading
          ? html`<th scope="row"${attributes}>${content}</th>`
          : html`<td${attributes}>${content}</td>`;
      })}</tr>`,
  );
  const tall = rows.length > 25;
  return html`<div class="scroll${tall ? " tall" : ""}" role="region" aria-label="${label}" tabindex="0"><table${
    sortable ? html` data-sortable` : ""
  }><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>`;
}

/** A share as percent with a small bar before it. */
export function shareBar(share: number, swatch = "accent"): Html {
  const width = Math.round(640 * Math.min(1, Math.max(0, share))) / 10;
  return html`<svg class="bar ${swatch}" width="64" height="8" viewBox="0 0 64 8" aria-hidden="true"><rect width="64" height="8" rx="1.5" fill="var(--grid)"/><rect width="${width}" height="8" rx="1.5" fill="currentColor"/></svg><span class="share">${percent(share)}</span>`;
}

/** Names and values, one below the other. */
export function pairs(entries: readonly (readonly [name: Content, value: Content])[]): Html {
  return html`<dl class="pairs">${entries.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
}
