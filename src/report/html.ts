/** Markup that may stand in a page as it is. Only `html` and `trusted` make it. */
export class Html {
  constructor(readonly text: string) {}
  toString(): string {
    return this.text;
  }
}

export type Content = Html | string | number | null | undefined | false | readonly Content[];

/**
 * A template whose values are escaped unless they are `Html` themselves, so that no class name, path or setting can become markup. Values
 * in attributes stand between double quotes. Arrays are joined; null, undefined and false leave nothing.
 *
 * @example html`<td title="${path}">${name}</td>`
 */
export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Html {
  let text = strings[0]!;
  for (let i = 0; i < values.length; i++) text += contentText(values[i]) + strings[i + 1]!;
  return new Html(text);
}

/** Marks our own constants and the charts' SVG as markup. Never for text that came from outside. */
export function trusted(markup: string): Html {
  return new Html(markup);
}

/** A name or path from outside; isolated, so that right-to-left characters in it cannot reorder what stands around it. */
export function given(text: string): Html {
  return html`<bdi>${text}</bdi>`;
}

function contentText(content: Content): string {
  if (content === null || content === undefined || content === false) return "";
  if (content instanceof Html) return content.text;
  if (Array.isArray(content)) return content.map(contentText).join("");
  return escapeHtml(String(content));
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text that stands for itself in elements and in quoted attributes. Control characters, which HTML forbids, become U+FFFD. */
export function escapeHtml(text: string): string {
  return (
    text
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g, "\ufffd")
      .replace(/[&<>"']/g, (character) => entities[character]!)
  );
}
