import { count, dateTime, duration, elrMarkup, missing, percent, shareDigits, significant } from "./format.js";
import { given, html } from "./html.js";
import { renderPage, type Section } from "./page.js";
import { notes, pairs, type Tile, tiles } from "./parts.js";
import { headline, trainingSections } from "./renderTrainingReport.js";
import type { SearchReport } from "./searchReport.js";
import { responseSection } from "./sections/response.js";
import { settingText } from "./sections/settings.js";
import { states, trialsSection } from "./sections/trials.js";

/**
 * A search's report as one self-contained HTML file: how the effective learning rate was found, what that cost, and everything about the training
 * that it led to.
 */
export function renderSearchReport(report: SearchReport): string {
  const { title, data, model, createdAt, status, winner } = report;
  return renderPage({
    kind: "search report",
    title,
    badge: status === "done" ? "" : html`<span class="status bad">${status}</span>`,
    about: html`${count(data.classes.length)} classes · ${given(model.name)}, ${count(model.parameters)} parameters · ${dateTime(createdAt)}`,
    head: html`${notes([...report.warnings, ...(winner?.warnings ?? [])])}${tiles(searchHeadline(report))}`,
    sections: [
      responseSection(report),
      trialsSection(report),
      studySection(report),
      ...(winner ? winnerSections(winner) : []),
    ],
    footer: html`Made by isonorm ${report.versions.isonorm}.`,
  });
}

function searchHeadline({ winner, chosen, cost, trials }: SearchReport): Tile[] {
  const judged = winner?.evaluations.test ?? winner?.evaluations.validation;
  const split = winner?.evaluations.test ? "Test" : "Validation";
  const found: Tile = {
    name: "Effective learning rate",
    value: chosen === null ? missing : elrMarkup(chosen),
    detail: chosen === null ? "none was found" : significant(chosen),
  };
  const digits = shareDigits(judged?.examples ?? 0);
  return [
    ...(judged
      ? [
          {
            name: `${split} accuracy`,
            value: percent(judged.accuracy, digits),
            detail: `${percent(judged.accuracyInterval.low, digits)} to ${percent(judged.accuracyInterval.high, digits)}`,
          },
        ]
      : []),
    found,
    { name: "Cost", value: cost.fullRuns.toFixed(2), detail: "full trainings" },
    { name: "Trials", value: count(trials.length), detail: states(trials) },
    { name: "Time", value: duration(cost.seconds) },
  ];
}

function studySection({ settings }: SearchReport): Section {
  return {
    id: "study",
    title: "Study",
    content: html`<div class="card">${pairs(
      Object.entries(settings).map(([name, value]) => [given(name), settingText(value)] as const),
    )}</div>`,
  };
}

/** The winner's own report, headline included. */
function winnerSections(winner: NonNullable<SearchReport["winner"]>): Section[] {
  const [training, ...others] = trainingSections(winner);
  return [
    {
      ...training!,
      title: "The chosen training",
      content: html`${tiles(headline(winner))}<div class="spaced">${training!.content}</div>`,
    },
    ...others,
  ];
}
