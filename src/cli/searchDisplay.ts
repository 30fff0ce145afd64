import pc from "picocolors";
// Not by its folder's index: the chart library there takes a while to load.
import { terminalPlot } from "../report/terminalPlot.js";
import type { SearchDone, SearchEvent, TrialEvent } from "../search/executor/index.js";
import { count, duration, number, percent } from "./format.js";
import { importInWords } from "./importInWords.js";
import type { Output } from "./output.js";

/** Shows a search's events: as JSON Lines, as a line for each trial, on a terminal with a live line of those that run, and at the end the response curve. */
export class SearchDisplay {
  readonly #output: Output;
  /** Share that is done of each running trial, by number. */
  readonly #running = new Map<number, { elr: number; share: number }>();
  #epochs = 0;

  constructor(output: Output) {
    this.#output = output;
  }

  show(event: SearchEvent): void {
    const output = this.#output;
    switch (event.event) {
      case "preparing":
        output.progress(`reading ${event.what}  ${count(event.done)} of ${count(event.total)}`);
        return;
      case "import":
        output.event(event);
        for (const line of importInWords(event)) output.say(line);
        return;
      case "warning":
        output.event(event);
        output.warn(event.message);
        return;
      case "start":
        output.event(event);
        this.#epochs = event.epochs;
        output.say(`${pc.bold(event.model)}, ${count(event.parameters)} parameters, ${event.classes.length} classes`);
        output.say(
          `${count(event.examples.train)} training, ${count(event.examples.validation)} validation, ${count(event.examples.test)} test examples`,
        );
        output.say(
          `${event.strategy} search of ${event.searched.join(", ")} by validation ${event.choose}  batch ${event.batchSize}  epochs ${number(event.epochs)}  seed ${event.seed}  ${event.jobs} at a time, ${event.device}, ${event.threads} threads`,
        );
        if (event.trialsDone > 0) output.say(`going on after ${event.trialsDone} finished trials`);
        output.say();
        output.say(pc.dim("trial       elr   epochs  validation loss   accuracy    cost"));
        return;
      case "round":
        output.event(event);
        output.say(pc.dim(event.why));
        return;
      case "trial":
        output.event(event);
        this.#trial(event);
        return;
      case "step": {
        const running = this.#running.get(event.trial);
        if (running) running.share = event.step / event.totalSteps;
        this.#progress();
        return;
      }
      case "epoch":
        output.event(event);
        return;
      case "done":
        output.event(event);
        this.#done(event);
        return;
    }
  }

  #trial(event: TrialEvent): void {
    const { number: trial, state, elr, fraction, validation, cost, error } = event;
    if (state === "running") {
      this.#running.set(trial, { elr, share: 0 });
      this.#progress();
      return;
    }
    this.#running.delete(trial);
    const result = validation
      ? [validation.loss.toFixed(4).padStart(16), percent(validation.accuracy).padStart(10)]
      : [state.padStart(16), "".padStart(10)];
    const figures = [
      String(trial).padStart(5),
      octave(elr).padStart(9),
      number(fraction * this.#epochs).padStart(8),
      ...result,
      cost.toFixed(3).padStart(7),
    ];
    this.#output.say(`${figures.join(" ")}${othersOf(event)}${error ? `  ${error.code}: ${error.message}` : ""}`);
  }

  #progress(): void {
    const trials = [...this.#running].map(
      ([trial, { elr, share }]) => `trial ${trial} (${octave(elr)}) ${Math.floor(100 * share)} %`,
    );
    if (trials.length > 0) this.#output.progress(trials.join("  "));
  }

  #done(done: SearchDone): void {
    const output = this.#output;
    const points = done.trials
      .filter(({ state }) => state === "complete" || state === "diverged")
      .map(({ elr, fraction, validationLoss }) => ({ elr, loss: validationLoss, full: fraction === 1 }));
    const plot = { points, fit: done.fit?.points ?? [], chosen: done.elr };
    output.say();
    for (const line of terminalPlot(plot, { unicode: process.env.TERM !== "dumb" })) output.say(line);
    output.say();
    output.say(pc.bold(`effective learning rate ${octave(done.elr)} = ${number(done.elr)}`));
    for (const { epochs, elr, low, high } of done.optima)
      output.say(
        `best for ${number(epochs)} epochs by the fit: ${octave(elr)}, with a probability of 80 % between ${octave(low)} and ${octave(high)}`,
      );
    const found = Object.entries(done.found).map(([name, value]) => `${name} ${number(value)}`);
    if (found.length > 0) output.say(found.join("  "));
    output.say(done.why);
    output.say(
      `validation accuracy ${percent(done.validation.accuracy)}, ${done.trials.length} trials at the cost of ${done.cost.fullRuns.toFixed(2)} full trainings, ${duration(done.cost.seconds)}`,
    );
    if (done.test)
      output.say(pc.bold(`test accuracy ${percent(done.test.accuracy)}, loss ${number(done.test.loss ?? Number.NaN)}`));
    output.say(`model and report: ${done.out}/model.onnx, ${done.out}/report.html`);
  }
}

const octave = (elr: number): string =>
  `2^${Math.log2(elr)
    .toFixed(2)
    .replace(/\.?0+$/, "")}`;

/** The values of further parameters. */
function othersOf({ scale, momentum, batchSize, labelSmoothing, lr }: TrialEvent): string {
  return Object.entries({ scale, momentum, batchSize, labelSmoothing, lr })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `  ${name} ${number(value!)}`)
    .join("");
}
