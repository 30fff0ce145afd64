/** Figures as people read them. */
export const percent = (share: number): string => (Number.isFinite(share) ? `${(100 * share).toFixed(2)} %` : "-");
export const count = (n: number): string => Math.round(n).toLocaleString("en-US");
export const number = (x: number): string => (Number.isFinite(x) ? String(Number(x.toPrecision(4))) : String(x));

/** 95 -> "1 min 35 s" */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

export function bytes(n: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let value = n;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** Rows as columns of equal width; numbers to the right. The first row is the heading. */
export function table(rows: readonly (readonly (string | number)[])[]): string[] {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((row) => String(row[column] ?? "").length)),
  );
  const right = Array.from({ length: columns }, (_, column) =>
    rows.slice(1).every((row) => row[column] === undefined || row[column] === "" || isNumeric(String(row[column]))),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const text = String(cell);
        return right[column] ? text.padStart(widths[column]!) : text.padEnd(widths[column]!);
      })
      .join("  ")
      .trimEnd(),
  );
}

const isNumeric = (text: string): boolean => /^[-+]?[\d,.]+(e[-+]?\d+)?( %| s|x)?$/i.test(text.trim());
