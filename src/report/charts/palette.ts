/**
 * The report's colours as CSS custom properties: charts name them as `var(--...)`, so one SVG serves the light and the dark theme, and paper.
 * Steps of the sequential scale were taken in OKLCH: lightness moves one way, so the order survives colour blindness and grey print.
 */
interface Palette {
  /** The page. */
  readonly page: string;
  /** Tiles and charts. */
  readonly surface: string;
  readonly ink: string;
  /** Secondary text: at least 4.5:1 on page and surface. */
  readonly muted: string;
  readonly line: string;
  readonly grid: string;
  /** The one accent: validation, what was chosen, what is right. */
  readonly accent: string;
  /** Text on the full accent. */
  readonly onAccent: string;
  /** Mistakes and warnings, nothing else. */
  readonly mistake: string;
  readonly onMistake: string;
  /** From low to high. */
  readonly sequence: readonly string[];
}

const light: Palette = {
  page: "#fafaf9",
  surface: "#ffffff",
  ink: "#1d2024",
  muted: "#60656d",
  line: "#dfe1e4",
  grid: "#ebecee",
  accent: "#2a5bc8",
  onAccent: "#ffffff",
  mistake: "#b8470f",
  onMistake: "#ffffff",
  sequence: [
    "#69d3c6",
    "#4ec6c7",
    "#35b8c8",
    "#22a9c9",
    "#1c99c8",
    "#2688c5",
    "#3476c0",
    "#4064b8",
    "#4a52ad",
    "#513f9f",
    "#552b8d",
    "#56147a",
  ],
};

const dark: Palette = {
  page: "#131519",
  surface: "#1a1d22",
  ink: "#e7e9ec",
  muted: "#9ba1aa",
  line: "#30343b",
  grid: "#272b31",
  accent: "#84aaff",
  onAccent: "#10131a",
  mistake: "#ff9b66",
  onMistake: "#1d0f06",
  sequence: [
    "#6451ac",
    "#5664bd",
    "#4277c7",
    "#208acc",
    "#009dcb",
    "#00adc6",
    "#00bcbc",
    "#32c9b0",
    "#64d4a3",
    "#8fdc97",
    "#b6e38d",
    "#dbe889",
  ],
};

/** Steps of the sequential scale. */
export const sequenceSteps = light.sequence.length;

/** The names charts use. */
export const colour = {
  surface: "var(--surface)",
  ink: "var(--ink)",
  muted: "var(--muted)",
  line: "var(--line)",
  grid: "var(--grid)",
  accent: "var(--accent)",
  onAccent: "var(--on-accent)",
  mistake: "var(--mistake)",
  onMistake: "var(--on-mistake)",
} as const;

/** The sequential scale's step for a position from 0 to 1. */
export function sequenceStep(position: number): number {
  return Math.min(sequenceSteps - 1, Math.max(0, Math.round(position * (sequenceSteps - 1))));
}

export function sequenceColour(step: number): string {
  return `var(--sequence-${step})`;
}

function declarations(palette: Palette): string {
  const { sequence, ...single } = palette;
  const names = Object.entries(single).map(
    ([name, value]) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}:${value}`,
  );
  return [...names, ...sequence.map((value, step) => `--sequence-${step}:${value}`)].join(";");
}

/** The light palette, the dark one for readers who prefer it or where `data-theme` says so, and light on paper. */
export const paletteCss = [
  `:root{color-scheme:light;${declarations(light)}}`,
  `@media (prefers-color-scheme:dark){:root:not([data-theme=light]){color-scheme:dark;${declarations(dark)}}}`,
  `:root[data-theme=dark]{color-scheme:dark;${declarations(dark)}}`,
  `@media print{:root,:root:not([data-theme=light]),:root[data-theme=dark]{color-scheme:light;${declarations(light)}}}`,
].join("\n");
