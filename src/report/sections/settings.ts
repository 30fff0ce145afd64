import { count, dateTime, significant } from "../format.js";
import { given, html } from "../html.js";
import type { Section } from "../page.js";
import { pairs } from "../parts.js";
import type { DataSummary, Setting, TrainingReport } from "../trainingReport.js";

/** Everything that made the result: settings, data, versions. */
export function settingsSection({ settings, versions, data, model, createdAt }: TrainingReport): Section {
  return {
    id: "settings",
    title: "Settings",
    content: html`<div class="grid">
<div class="card"><h3>Training</h3>${pairs(
      Object.entries(settings).map(([name, value]) => [given(name), settingText(value)] as const),
    )}</div>
<div class="card"><h3>Data and versions</h3>${pairs([
      ["data", given(data.path)],
      ["examples", splitCounts(data)],
      ["data hash", html`<code>${data.hash}</code>`],
      ["model", given(model.name)],
      ["parameters", count(model.parameters)],
      ["created", dateTime(createdAt)],
      ...Object.entries(versions).map(([name, version]) => [given(name), given(version)] as const),
    ])}</div>
</div>`,
  };
}

export function settingText(value: Setting) {
  if (value === null) return "none";
  if (typeof value === "boolean") return value ? "yes" : "no";
  // All digits stand in run.json.
  if (typeof value === "number" && !Number.isInteger(value)) return significant(value, 6);
  return given(String(value));
}

/** "1,150 training, 287 validation, 360 test". */
export function splitCounts({ counts }: DataSummary): string {
  return [
    `${count(counts.train)} training`,
    `${count(counts.validation)} validation`,
    ...(counts.test === undefined ? [] : [`${count(counts.test)} test`]),
  ].join(", ");
}
