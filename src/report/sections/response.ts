import { type ResponsePoint, responseCurve } from "../charts/responseCurve.js";
import { count, elrMarkup, elrText, isFigure, missing, percent, significant } from "../format.js";
import { given, type Html, html } from "../html.js";
import type { Section } from "../page.js";
import { figure, type LegendEntry, responsive, table } from "../parts.js";
import type { ReportedTrial, Rung, SearchReport } from "../searchReport.js";

/** Loss and accuracy against effective learning rate, and the best one by training length. */
export function responseSection(report: SearchReport): Section {
  const { trials, rungs, fit, chosen } = report;
  const full = rungs[rungs.length - 1]?.name;
  const ended = trials.filter(({ state }) => state === "complete" || state === "pruned" || state === "diverged");
  const points = ended.map((trial) => pointOf(trial, trial.rung === full));
  const id = "response";
  const title = "Response curve";
  if (points.length === 0) return { id, title, content: html`<p>No trial came to an end.</p>` };
  const entries: LegendEntry[] = [
    { text: "full length", swatch: "accent", mark: "disc" },
    ...(rungs.length > 1 ? [{ text: "shorter", swatch: "muted", mark: "ring" } as const] : []),
    ...(fit ? [{ text: html`fit to rung ${given(fit.rung)}, with its uncertainty`, swatch: "accent" }] : []),
    ...(points.some(({ loss }) => !isFigure(loss))
      ? [{ text: "diverged", swatch: "mistake", mark: "cross" } as const]
      : []),
  ];
  return {
    id,
    title,
    lead: "Each point is one training; the effective learning rate acts on a logarithmic scale and has one optimum.",
    content: html`<div class="grid">
${figure({
  title: "Validation loss and accuracy by effective learning rate",
  legend: entries,
  chart: responsive("response", (id, size) => responseCurve(id, { points, fit: fit?.points ?? [], chosen }, size), {
    width: 1040,
    height: 460,
  }),
  broad: true,
})}
${figure({ title: "Best by training length", chart: lengthTable(report), broad: true })}
</div>`,
  };
}

function pointOf(
  { id, elr, rung, state, validationLoss, validationAccuracy }: ReportedTrial,
  full: boolean,
): ResponsePoint {
  const loss = state === "diverged" ? null : validationLoss;
  return {
    elr,
    loss,
    accuracy: state === "diverged" ? null : validationAccuracy,
    full,
    title: `Trial ${id}, ELR ${elrText(elr)}, rung ${rung}: ${
      isFigure(loss) ? `loss ${significant(loss)}, accuracy ${percent(validationAccuracy)}` : "diverged"
    }`,
  };
}

/** The trial with the lowest validation loss among those that ended well. */
function bestOf(trials: readonly ReportedTrial[]): ReportedTrial | undefined {
  return trials
    .filter(({ state, validationLoss }) => state === "complete" && isFigure(validationLoss))
    .reduce<ReportedTrial | undefined>(
      (best, trial) => (best === undefined || trial.validationLoss! < best.validationLoss! ? trial : best),
      undefined,
    );
}

function lengthTable({ rungs, trials, fit, cost }: SearchReport): Html {
  const fitted = fit?.points.reduce((best, point) => (point.loss < best.loss ? point : best));
  const rows = rungs.map((rung) => {
    const own = trials.filter((trial) => trial.rung === rung.name);
    const optimum = rung.optimum?.elr ?? (fit?.rung === rung.name ? fitted?.elr : undefined);
    return { rung, trials: own.length, best: bestOf(own), optimum };
  });
  type Row = (typeof rows)[number];
  const total = { fullRuns: Object.values(cost.byRung).reduce((sum, runs) => sum + runs, 0) };
  const share = (rung: Rung) => cost.byRung[rung.name] ?? 0;
  return table<Row>(
    "Best effective learning rate by training length",
    [
      { title: "rung", cell: ({ rung }) => given(rung.name), heading: true },
      { title: "epochs", value: ({ rung }) => rung.epochs, cell: ({ rung }) => significant(rung.epochs) },
      { title: "trials", value: ({ trials }) => trials, cell: ({ trials }) => count(trials) },
      {
        title: "best ELR",
        value: ({ best }) => best?.elr ?? null,
        cell: ({ best }) => (best ? elrMarkup(best.elr) : missing),
      },
      {
        title: "its validation loss",
        value: ({ best }) => best?.validationLoss ?? null,
        cell: ({ best }) => significant(best?.validationLoss),
      },
      {
        title: "optimum of the fit",
        value: ({ optimum }) => optimum ?? null,
        cell: ({ optimum }) => (optimum === undefined ? missing : elrMarkup(optimum)),
      },
      {
        title: "80% interval",
        cell: ({ rung: { optimum } }) =>
          optimum ? html`${elrMarkup(optimum.low)} to ${elrMarkup(optimum.high)}` : missing,
      },
      {
        title: "cost in full trainings",
        value: ({ rung }) => share(rung),
        cell: ({ rung }) => `${share(rung).toFixed(2)} (${percent(share(rung) / total.fullRuns, 0)})`,
      },
    ],
    rows,
  );
}
