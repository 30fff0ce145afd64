import { lineChart } from "../charts/lineChart.js";
import { sequenceColour, sequenceStep } from "../charts/palette.js";
import {
  counted,
  duration,
  elrMarkup,
  elrText,
  isFigure,
  missing,
  percent,
  percentTick,
  significant,
} from "../format.js";
import { type Content, given, type Html, html } from "../html.js";
import type { Section } from "../page.js";
import { type Column, figure, type LegendEntry, responsive, table } from "../parts.js";
import type { ReportedTrial, Rung, SearchReport, TrialEpoch, TrialState } from "../searchReport.js";
import { settingText } from "./settings.js";
import { series } from "./training.js";

/** ELRs that a legend names one by one; more are named by a few along the scale. */
const mostLegendEntries = 12;

/** The learning curves of every trial, rung by rung, and all trials as a table. */
export function trialsSection({ trials, rungs, chosen }: SearchReport): Section {
  const position = elrPosition(trials);
  const curves = rungs.map((rung, index) => {
    const own = trials.filter((trial) => trial.rung === rung.name && trial.epochs.length > 0);
    return own.length === 0 ? "" : rungFigures({ rung, index, trials: own, position, chosen });
  });
  return {
    id: "trials",
    title: "Trials",
    lead: `${counted(trials.length, "trial")}: ${states(trials)}.`,
    content: html`<div class="grid">${curves}
<div class="card broad">${trialTable(trials)}</div></div>`,
  };
}

/** Where an ELR lies between the lowest and the highest, in octaves: 0 to 1. */
function elrPosition(trials: readonly ReportedTrial[]): (elr: number) => number {
  const octaves = trials.map(({ elr }) => Math.log2(elr));
  const [low, high] = [Math.min(...octaves), Math.max(...octaves)];
  return (elr) => (high === low ? 0.5 : (Math.log2(elr) - low) / (high - low));
}

function elrLegend(
  trials: readonly ReportedTrial[],
  position: (elr: number) => number,
  chosen: number | null,
): LegendEntry[] {
  const distinct = [...new Set(trials.map(({ elr }) => elr))].sort((a, b) => a - b);
  const named = Math.min(mostLegendEntries, distinct.length);
  const picked = Array.from({ length: named }, (_, i) =>
    named === 1 ? distinct[0]! : distinct[Math.round((i * (distinct.length - 1)) / (named - 1))]!,
  );
  return picked.map((elr) => ({
    text: html`${elrMarkup(elr)}${elr === chosen ? " chosen" : ""}`,
    swatch: `sequence-${sequenceStep(position(elr))}`,
  }));
}

interface RungCurves {
  readonly rung: Rung;
  readonly index: number;
  readonly trials: readonly ReportedTrial[];
  readonly position: (elr: number) => number;
  readonly chosen: number | null;
}

function rungFigures({ rung, index, trials, position, chosen }: RungCurves): Html {
  const entries = elrLegend(trials, position, chosen);
  const chart = (name: string, yOf: (epoch: TrialEpoch) => number | null, format?: (y: number) => string) => {
    const lines = trials.map(({ id, elr, epochs }) => ({
      name: `Trial ${id}, ELR ${elrText(elr)}`,
      points: series(epochs, yOf),
      colour: sequenceColour(sequenceStep(position(elr))),
      heavy: elr === chosen,
    }));
    const label = `${name} of ${counted(trials.length, "trial")} of rung ${rung.name}, by effective learning rate`;
    return responsive(`${name.replace(/\W+/g, "-")}-${index}`, (id, size) =>
      lineChart(id, { label, xName: "epoch", lines, ...(format && { format }) }, size),
    );
  };
  const title = (name: string) => `${name}, rung ${rung.name}`;
  return html`${figure({
    title: title("Validation loss"),
    legend: entries,
    chart: chart("validation loss", ({ validationLoss }) => validationLoss),
  })}${figure({
    title: title("Validation accuracy"),
    legend: entries,
    chart: chart("validation accuracy", ({ validationAccuracy }) => validationAccuracy, percentTick),
  })}`;
}

/** "5 complete, 1 diverged". */
export function states(trials: readonly ReportedTrial[]): string {
  const counted = new Map<TrialState, number>();
  for (const { state } of trials) counted.set(state, (counted.get(state) ?? 0) + 1);
  return [...counted].map(([state, trials]) => `${trials} ${state}`).join(", ") || "none";
}

function trialTable(trials: readonly ReportedTrial[]): Html {
  const searched = [...new Set(trials.flatMap(({ settings }) => Object.keys(settings ?? {})))];
  const troubled = trials.some(({ error }) => error !== undefined);
  const columns: Column<ReportedTrial>[] = [
    { title: "trial", cell: ({ id }) => given(String(id)), heading: true },
    { title: "rung", cell: ({ rung }) => given(rung) },
    { title: "ELR", value: ({ elr }) => elr, cell: ({ elr }) => elrMarkup(elr) },
    { title: "scale", value: ({ scale }) => scale, cell: ({ scale }) => significant(scale) },
    ...searched.map(
      (name): Column<ReportedTrial> => ({
        title: given(name),
        cell: ({ settings }) => (settings && name in settings ? settingText(settings[name]!) : missing),
      }),
    ),
    { title: "state", cell: ({ state }) => stateText(state) },
    {
      title: "validation loss",
      value: ({ validationLoss }) => validationLoss,
      cell: ({ validationLoss }) => significant(validationLoss),
    },
    {
      title: "validation accuracy",
      value: ({ validationAccuracy }) => validationAccuracy,
      cell: ({ validationAccuracy }) => percent(validationAccuracy, 2),
    },
    { title: "cost", value: ({ cost }) => cost, cell: ({ cost }) => (isFigure(cost) ? cost.toFixed(3) : missing) },
    { title: "time", value: ({ seconds }) => seconds, cell: ({ seconds }) => duration(seconds) },
    ...(troubled ? [{ title: "error", cell: ({ error }: ReportedTrial) => error && given(error), path: true }] : []),
  ];
  return table("Trials", columns, trials, { sortable: true });
}

function stateText(state: TrialState): Content {
  const bad = state === "diverged" || state === "failed" || state === "lost";
  return bad ? html`<span class="mistake">${state}</span>` : state;
}
