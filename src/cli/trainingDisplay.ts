import pc from "picocolors";
import type { TrainingEvent } from "../run/index.js";
import { bytes, count, duration, number, percent } from "./format.js";
import { importInWords } from "./importInWords.js";
import type { Output } from "./output.js";

/** Shows a training's events: as JSON Lines, as lines of text, and on a terminal as a live line. */
export class TrainingDisplay {
  readonly #output: Output;
  #started = performance.now();
  #startStep = 0;

  constructor(output: Output) {
    this.#output = output;
  }

  show(event: TrainingEvent): void {
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
        this.#started = performance.now();
        this.#startStep = event.stepsDone;
        output.say(`${pc.bold(event.model)}, ${count(event.parameters)} parameters, ${event.classes.length} classes`);
        output.say(
          `${count(event.examples.train)} training, ${count(event.examples.validation)} validation, ${count(event.examples.test)} test examples`,
        );
        output.say(
          `elr ${number(event.elr)}  scale ${number(event.scale)}  batch ${event.batchSize}  epochs ${number(event.epochs)}  seed ${event.seed}  ${event.device}, ${event.threads} threads`,
        );
        if (event.stepsDone > 0) output.say(`going on from step ${count(event.stepsDone)} of ${count(event.steps)}`);
        output.say();
        output.say(pc.dim("epoch   train loss  accuracy   validation loss  accuracy   examples/s"));
        return;
      case "step":
        this.#progress(event);
        return;
      case "epoch":
        output.event(event);
        output.say(
          [
            number(event.epoch).padStart(5),
            event.trainLoss.toFixed(4).padStart(11),
            percent(event.trainAccuracy).padStart(9),
            event.validationLoss.toFixed(4).padStart(16),
            percent(event.validationAccuracy).padStart(9),
            count(event.examplesPerSecond).padStart(11),
          ].join(" ") + (event.skipped > 0 ? `  ${event.skipped} steps skipped` : ""),
        );
        return;
      case "done":
        output.event(event);
        output.say();
        output.say(
          `validation accuracy ${percent(event.validation.accuracy)} (epoch ${number(event.bestEpoch)})` +
            `, ${duration(event.seconds)}, ${count(event.examplesPerSecond)} examples/s, peak memory ${bytes(event.peakMemoryBytes)}`,
        );
        if (event.test)
          output.say(
            pc.bold(`test accuracy ${percent(event.test.accuracy)}, loss ${number(event.test.loss ?? Number.NaN)}`),
          );
        output.say(`model and report: ${event.out}/model.onnx, ${event.out}/report.html`);
        return;
      case "interrupted":
      case "error":
        // Told once, where the command ends.
        return;
    }
  }

  #progress({ step, totalSteps, loss, examplesPerSecond }: Extract<TrainingEvent, { event: "step" }>): void {
    const elapsed = (performance.now() - this.#started) / 1000;
    const left = (elapsed / Math.max(1, step - this.#startStep)) * (totalSteps - step);
    const bar = 20;
    const filled = Math.round((bar * step) / totalSteps);
    this.#output.progress(
      `${"━".repeat(filled)}${"┈".repeat(bar - filled)} step ${count(step)} of ${count(totalSteps)}  loss ${number(loss)}  ${count(examplesPerSecond)} examples/s  ${duration(left)} left`,
    );
  }
}
