import { percent } from "../format.js";
import { type Content, given, type Html, html } from "../html.js";
import type { Section } from "../page.js";
import { pairs } from "../parts.js";
import { pngDataUri, thumbnail } from "../png.js";
import type { ReportedImage, ReportedMistake } from "../trainingReport.js";

/** Columns of a table's row that are shown at once; the others unfold. */
const shownColumns = 8;
/** Longest side of an embedded picture, px. */
const longestSide = 64;
/** Smaller pictures are enlarged, with their pixels as they are. */
const smallSide = 48;

/** The examples on which the model was most sure and wrong: often they are mislabelled. */
export function mistakesSection(
  mistakes: readonly ReportedMistake[],
  classes: readonly string[],
  split: string,
): Section {
  const id = "mistakes";
  const title = "Most confident mistakes";
  if (mistakes.length === 0) return { id, title, content: html`<p>None on the ${split} split.</p>` };
  const rows = mistakes.some(({ row }) => row !== undefined);
  return {
    id,
    title,
    lead: `Where the model was most sure and wrong, on the ${split} split. Look at them first: some may be labelled wrongly.`,
    content: html`<ol class="mistakes${rows ? " rows" : ""}">${mistakes.map((mistake) => card(mistake, classes))}</ol>`,
  };
}

function card({ image, row, truth, predicted, confidence, source }: ReportedMistake, classes: readonly string[]): Html {
  return html`<li>${image ? picture(image, `${classes[truth]} taken for ${classes[predicted]}`) : ""}
<div class="taken"><b>${given(classes[truth]!)}</b> taken for <b class="wrong">${given(classes[predicted]!)}</b></div>
<div>at ${percent(confidence)} confidence</div>
<div class="source">${given(source)}</div>${row ? rowValues(row) : ""}</li>
`;
}

function picture(image: ReportedImage, description: string): Html {
  const shown = thumbnail(image, longestSide);
  const small = Math.max(image.width, image.height) <= smallSide;
  return html`<img src="${pngDataUri(shown)}" width="${shown.width}" height="${shown.height}" alt="${description}"${
    small ? html` class="small"` : ""
  }>`;
}

function rowValues(row: Readonly<Record<string, string | number | null>>): Content {
  const entries = Object.entries(row).map(
    ([column, value]) => [given(column), given(value === null ? "missing" : String(value))] as const,
  );
  const shown = pairs(entries.slice(0, shownColumns));
  const rest = entries.slice(shownColumns);
  if (rest.length === 0) return shown;
  return html`${shown}<details><summary>${rest.length} more columns</summary>${pairs(rest)}</details>`;
}
