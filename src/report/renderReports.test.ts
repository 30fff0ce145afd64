import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { renderSearchReport, renderTrainingReport } from "./index.js";
import { exampleEpochs, exampleSearch, exampleTraining } from "./reports.fixture.js";

/** Every tag of a page with its attributes' names, in order; throws where tags do not close in order. */
function structure(page: string): string[] {
  const body = page.replace(/<(style|script)>[\s\S]*?<\/\1>/g, "<$1></$1>").replace("<!doctype html>", "");
  const open: string[] = [];
  const tags: string[] = [];
  for (const [, closing, name, rest] of body.matchAll(/<(\/?)([a-zA-Z][\w-]*)([^>]*)>/g)) {
    if (closing) {
      const last = open.pop();
      if (last !== name) throw new Error(`</${name}> closes <${last}>`);
      continue;
    }
    const attributes = [...rest!.matchAll(/ ([\w:-]+)(?:="[^"<>]*")?/g)].map(([, attribute]) => attribute);
    // What is left of the attributes is neither text nor quote: nothing broke out.
    expect(
      rest!
        .replace(/ [\w:-]+(?:="[^"<>]*")?/g, "")
        .replace(/\/$/, "")
        .trim(),
    ).toBe("");
    tags.push(`${name} ${attributes.join(" ")}`);
    if (!rest!.endsWith("/") && !["meta", "img", "br"].includes(name!)) open.push(name!);
  }
  expect(open).toEqual([]);
  return tags;
}

const hostile = [
  (plain: string) => `<script>alert("${plain}")</script>`,
  (plain: string) => `"><img src=x onerror=alert('${plain}')>`,
  (plain: string) => `</title></svg></style>${plain}`,
  (plain: string) => `' onload='x' ${plain} style="color:red" class="zr0-x"`,
  (plain: string) => `{a|${plain}} {b} {value} \${x} &lt;b&gt; \u202e\u0000\n]]>`,
];

describe.each([
  ["training", (text?: (plain: string) => string) => renderTrainingReport(exampleTraining(3, text))],
  ["search", (text?: (plain: string) => string) => renderSearchReport(exampleSearch(text))],
] as const)("a %s report", (_, render) => {
  const page = render();
  // As long as the hostile names: long names stand upright under a heat map.
  const plain = render((text) => `a harmless but long name: ${text}`);

  it("is well-formed, and no identifier stands twice", () => {
    expect(structure(page).length).toBeGreaterThan(300);
    const identifiers = [...page.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
    expect(identifiers.length).toBeGreaterThan(8);
    expect(new Set(identifiers).size).toBe(identifiers.length);
    for (const [, id] of page.matchAll(/(?:href="#|url\(#|aria-labelledby=")([^")]*)/g))
      expect(identifiers).toContain(id);
  });

  it.each(hostile.map((text) => [text("x"), text] as const))(
    "shows %j as text: the page's structure stays",
    (_, text) => {
      const attacked = render(text);
      expect(structure(attacked)).toEqual(structure(plain));
      expect(attacked).not.toContain("<script>alert");
      expect(attacked).not.toContain("<img src=x");
      expect(attacked).not.toContain("\u0000");
    },
  );

  it("loads nothing: no address but its own anchors and embedded pictures", () => {
    const addresses = [...page.matchAll(/(?:src|href|action|data|poster)="([^"]*)"/g)].map(([, address]) => address!);
    expect(addresses.length).toBeGreaterThan(5);
    for (const address of addresses) expect(address).toMatch(/^(#|data:image\/png;base64,)/);
    expect(page).not.toMatch(/@import|url\((?!#)|@font-face/);
  });

  it("its content security policy names exactly its style and script, and it has no inline style or handler", () => {
    const policy = /Content-Security-Policy" content="([^"]*)"/.exec(page)![1]!.replaceAll("&#39;", "'");
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain("unsafe");
    for (const element of ["style", "script"]) {
      const contents = [...page.matchAll(new RegExp(`<${element}>([\\s\\S]*?)</${element}>`, "g"))];
      expect(contents).toHaveLength(1);
      const hash = createHash("sha256").update(contents[0]![1]!).digest("base64");
      expect(policy).toContain(`${element}-src 'sha256-${hash}'`);
    }
    expect(page).not.toMatch(/<[^>]* (style|on\w+)="/);
  });

  it("colours charts by the theme's variables alone", () => {
    const colours = [...page.matchAll(/ (?:fill|stroke)="([^"]*)"/g)].map(([, colour]) => colour!);
    expect(colours.length).toBeGreaterThan(50);
    // "#000" is the inside of a clip path, which is not drawn.
    for (const colour of new Set(colours)) expect(colour).toMatch(/^(var\(--[a-z0-9-]+\)|none|currentColor|#000)$/);
    for (const [, name] of page.matchAll(/var\((--[a-z0-9-]+)\)/g)) expect(page).toContain(`${name}:`);
  });

  it("describes every chart to those who do not see it", () => {
    for (const [tag] of page.matchAll(/<svg [^>]*>/g))
      expect(tag).toMatch(/role="img" aria-label="[^"]+"|aria-hidden="true"/);
    for (const [tag] of page.matchAll(/<img [^>]*>/g)) expect(tag).toMatch(/alt="[^"]+"/);
  });
});

describe("training report", () => {
  it("stays small: 10 classes under 400 kB, 1000 under 1.5 MB", () => {
    expect(renderTrainingReport(exampleTraining(10)).length).toBeLessThan(400_000);
    const many = renderTrainingReport(exampleTraining(1000));
    expect(many.length).toBeLessThan(1_500_000);
    // Beyond 40 classes the confusions are a list.
    expect(many).not.toContain("Confusion matrix of");
    expect(many).toContain("Most frequent confusions");
  });

  it("has a heat map up to 40 classes", () => {
    for (const classes of [2, 12, 13, 40]) {
      const page = renderTrainingReport(exampleTraining(classes));
      expect(page).toContain(`Confusion matrix of ${classes} classes`);
    }
    const page = renderTrainingReport(exampleTraining(41));
    expect(page).not.toContain("Confusion matrix of");
  });

  it("says the test accuracy with its interval first, the validation accuracy where there is no test split", () => {
    const report = exampleTraining();
    const tiles = (page: string) =>
      [...page.matchAll(/<dt>([^<]*)<\/dt><dd>([^<]*)/g)].slice(0, 2).map(([, name, value]) => [name, value]);
    // 12 examples of which 0 and 7 are taken for another class.
    expect(tiles(renderTrainingReport(report))).toEqual([
      ["Test accuracy", "83.3%"],
      ["Validation accuracy", "83.3%"],
    ]);
    const page = renderTrainingReport({ ...report, evaluations: { validation: report.evaluations.validation } });
    expect(tiles(page)[0]).toEqual(["Validation accuracy", "83.3%"]);
    expect(page).not.toContain("Test accuracy");
    expect(page).toContain("10 of 12");
  });

  it("takes runs that ended badly: no epoch, one epoch, figures that are not finite, no mistakes", () => {
    const report = exampleTraining();
    const gone = exampleEpochs(3).map((epoch, i) => ({
      ...epoch,
      ...(i > 0 && { trainLoss: Number.NaN, validationLoss: null, trainAccuracy: Number.NaN }),
    }));
    const none = exampleEpochs(2).map((epoch) => ({
      ...epoch,
      trainLoss: null,
      validationLoss: Number.POSITIVE_INFINITY,
    }));
    for (const epochs of [[], exampleEpochs(1), gone, none]) {
      const page = renderTrainingReport({ ...report, status: "diverged", epochs, bestEpoch: null, mistakes: [] });
      structure(page);
      expect(page).toContain("diverged");
      expect(page.replace(/<(style|script)>[\s\S]*?<\/\1>/g, "")).not.toMatch(/NaN|Infinity|undefined/);
    }
  });
});

describe("search report", () => {
  it("shows chosen ELR, cost by rung, every trial, and the winner's report", () => {
    const page = renderSearchReport(exampleSearch());
    expect(page).toContain("chosen: 2⁻⁸·²⁵");
    expect(page).toContain("2<sup>−8.25</sup>");
    expect(page).toContain("1.63"); // full trainings
    expect(page).toContain("0.63 (38%)"); // the short rung's share
    expect(page).toContain("4 complete, 1 diverged, 1 failed");
    expect(page).toContain("Trial 4, ELR 2^−2, rung short: diverged");
    expect(page).toContain("The chosen training");
    expect(page).toContain("Most confident mistakes");
  });

  it("takes a search without a winner: all diverged, or no trial at all", () => {
    const report = exampleSearch();
    const lost = report.trials.map((trial) => ({
      ...trial,
      state: "diverged" as const,
      validationLoss: null,
      epochs: [],
    }));
    for (const trials of [lost, []]) {
      const page = renderSearchReport({ ...report, status: "failed", trials, winner: null, chosen: null, fit: null });
      structure(page);
      expect(page).toContain("none was found");
      expect(page.replace(/<(style|script)>[\s\S]*?<\/\1>/g, "")).not.toMatch(/NaN|Infinity|undefined/);
    }
  });
});
