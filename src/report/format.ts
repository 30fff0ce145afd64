import { type Html, html } from "./html.js";

/** What stands where a figure is missing or not finite. */
export const missing = "–";

type Figure = number | null | undefined;

/** Whether there is a figure to show. */
export function isFigure(value: Figure): value is number {
  return value !== null && value !== undefined && Number.isFinite(value);
}

/** A share as percent: 0.98333 is "98.3%". */
export function percent(share: Figure, digits = 1): string {
  return isFigure(share) ? `${(100 * share).toFixed(digits)}%` : missing;
}

/** A share as percent for an axis: a digit after the point only where it is needed. */
export function percentTick(share: number): string {
  return percent(share, Math.abs(100 * share - Math.round(100 * share)) < 1e-6 ? 0 : 1);
}

/** Digits after the point that a share of so many examples can carry. */
export function shareDigits(examples: number): number {
  return examples >= 5000 ? 2 : 1;
}

/** A count with thousands separated: "27,786". */
export function count(value: Figure): string {
  return isFigure(value) ? Math.round(value).toLocaleString("en-US") : missing;
}

/** A count and what is counted: "1 example", "360 examples". */
export function counted(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** A figure with so many significant digits, without an exponent where it can be read without: "0.0573", "1.2e-7". */
export function significant(value: Figure, digits = 4): string {
  if (!isFigure(value)) return missing;
  if (value === 0) return "0";
  const magnitude = Math.abs(value);
  if (magnitude >= 1e6 || magnitude < 1e-4) return value.toExponential(Math.min(digits - 1, 2)).replace("e+", "e");
  return String(Number(value.toPrecision(digits)));
}

/** Decimal units: "212 MB". */
export function bytes(value: Figure): string {
  if (!isFigure(value)) return missing;
  const units = ["B", "kB", "MB", "GB", "TB"];
  let scaled = value;
  let unit = 0;
  while (scaled >= 999.5 && unit < units.length - 1) {
    scaled /= 1000;
    unit++;
  }
  return `${Number(scaled.toPrecision(3))} ${units[unit]}`;
}

/** "0.8 s", "41 s", "3 min 12 s", "2 h 05 min". */
export function duration(seconds: Figure): string {
  if (!isFigure(seconds)) return missing;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

/** log2 of an effective learning rate, to a hundredth of an octave: -8.5 as "−8.5". */
export function octave(elr: number): string {
  return String(Math.round(100 * Math.log2(elr)) / 100).replace("-", "−");
}

/** An effective learning rate as plain text: "2^−8.5". */
export function elrText(elr: number): string {
  return elr > 0 ? `2^${octave(elr)}` : significant(elr);
}

const superscripts = new Map([..."-.0123456789"].map((character, index) => [character, "⁻·⁰¹²³⁴⁵⁶⁷⁸⁹"[index]!]));

/** A power of two where there is no markup, as in a chart: "2⁻⁸·⁵" of -8.5. */
export function powerOfTwo(exponent: number): string {
  const rounded = String(Math.round(100 * exponent) / 100);
  return `2${[...rounded].map((character) => superscripts.get(character) ?? character).join("")}`;
}

/** An effective learning rate as markup: 2 with its exponent raised. */
export function elrMarkup(elr: number): Html {
  return elr > 0 ? html`2<sup>${octave(elr)}</sup>` : html`${significant(elr)}`;
}

/** "2026-11-23 20:49 UTC" of an ISO 8601 date; what is no date stays as it is. */
export function dateTime(iso: string): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return iso;
  return `${date.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

/** At most `length` characters, with an ellipsis for the rest; line breaks become spaces. */
export function shortened(text: string, length: number): string {
  const line = [...text.replace(/\s+/g, " ")];
  return line.length <= length ? line.join("") : `${line.slice(0, length - 1).join("")}…`;
}
