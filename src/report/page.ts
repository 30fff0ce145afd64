import { createHash } from "node:crypto";
import { type Content, type Html, html, trusted } from "./html.js";
import { script } from "./script.js";
import { style } from "./style.js";

/** One part of a page: reached from the navigation by its `id`. */
export interface Section {
  readonly id: string;
  readonly title: string;
  /** A sentence or two under the title. */
  readonly lead?: Content;
  readonly content: Content;
}

export interface Page {
  /** What kind of report this is: "training report". */
  readonly kind: string;
  readonly title: string;
  /** What stands beside the kind: how it ended. */
  readonly badge?: Content;
  /** The line under the title. */
  readonly about: Content;
  /** Before the first section: warnings and headline figures. */
  readonly head: Content;
  readonly sections: readonly Section[];
  readonly footer: Content;
}

const sha256 = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

/**
 * Nothing is loaded and nothing runs but the style and the script of this page, known by their hashes: should a name from outside ever slip
 * through as markup, it stays without effect.
 */
const contentSecurityPolicy = [
  "default-src 'none'",
  `style-src ${sha256(style)}`,
  `script-src ${sha256(script)}`,
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

/** One self-contained HTML file. */
export function renderPage(page: Page): string {
  const document = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${contentSecurityPolicy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="isonorm">
<title>${page.title} – ${page.kind}</title>
<style>${trusted(style)}</style>
</head>
<body>
<header><div><p class="kind">isonorm ${page.kind}${page.badge}</p><h1>${page.title}</h1><p class="about">${page.about}</p></div>
<button id="theme" type="button" hidden>Theme</button></header>
<nav aria-label="Sections">${page.sections.map(({ id, title }) => html`<a href="#${id}">${title}</a>`)}</nav>
<main>
${page.head}
${page.sections.map(renderSection)}
</main>
<footer>${page.footer}</footer>
<script>${trusted(script)}</script>
</body>
</html>
`;
  return document.text;
}

function renderSection({ id, title, lead, content }: Section): Html {
  return html`<section aria-labelledby="${id}"><h2 id="${id}">${title}</h2>
${lead ? html`<p class="lead">${lead}</p>` : ""}
${content}</section>
`;
}
