import { describe, expect, it } from "vitest";
import { escapeHtml, html, trusted } from "./html.js";

describe("html", () => {
  it("escapes values in text and attributes, and leaves markup that it made itself", () => {
    const inner = html`<b>${"a < b & c"}</b>`;
    expect(html`<p title="${`"'`}">${inner}</p>`.text).toBe('<p title="&quot;&#39;"><b>a &lt; b &amp; c</b></p>');
    expect(html`${trusted("<i></i>")}`.text).toBe("<i></i>");
  });

  it("joins lists, escaping each of them, and leaves nothing for what is absent", () => {
    expect(html`${["<", html`<br>`, 3]}${null}${undefined}${false}${0}`.text).toBe("&lt;<br>30");
  });

  it("replaces control characters, which HTML forbids, and keeps tabs and line breaks", () => {
    expect(escapeHtml("a\u0000b\u001bc\td\n")).toBe("a\ufffdb\ufffdc\td\n");
  });
});
