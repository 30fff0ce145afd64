#!/usr/bin/env node
import { Command, CommanderError, Option } from "commander";
import { addTrainingOptions } from "./trainingOptions.js";

// Commands are loaded when they are called: --help must not wait for ONNX Runtime.

const program = new Command("isonorm")
  .description(
    "Trains classifiers on ONNX Runtime and finds their one decisive hyperparameter, the effective learning rate.",
  )
  .configureHelp({ showGlobalOptions: true })
  .option("--json", "print events as JSON Lines on stdout, and nothing else there")
  .option("--debug", "show stack traces of errors")
  .exitOverride();

const dataHelp =
  "a folder with a subfolder a class, a folder of IDX files, or a CSV or Parquet table (or a folder that holds one)";

addTrainingOptions(
  program
    .command("search")
    .description(
      "find the effective learning rate and train with it; writes model.onnx and report.html into a run folder",
    )
    .argument("[data]", `${dataHelp}; with --list, --show and --export the run folder of a search`),
)
  .option("--strategy <bracket|grid|random>", "how to search (default bracket)")
  .option("--budget <x>", "full trainings that the search may cost, the winner included (default 3)")
  .option("--trials <n>", "trainings of a grid or random search (default 15)")
  .option("--low-rung <share>", "share of the epochs that bracket's short trainings take (default 0.125)")
  .option(
    "--choose <accuracy|loss|macroF1>",
    "what the winner is chosen by, on the validation split (default accuracy)",
  )
  .option("--search <name,...>", "search scale, momentum, batch-size, label-smoothing or lr too")
  .option("--jobs <n>", "trainings at a time (default: by threads and memory); has no influence on results")
  .option("--list", "show the studies under runs/, or that in a run folder")
  .option("--show [trial]", "show a study's trials, or the epochs of one")
  .option("--export <csv|json>", "print trials, or what --list and --show show, in that format")
  .action(async (data, _options, command) =>
    (await import("./commands/search.js")).search(data, command.optsWithGlobals()),
  );

addTrainingOptions(
  program
    .command("train")
    .description("train one classifier; writes model.onnx and report.html into a run folder")
    .argument("[data]", dataHelp),
)
  .option(
    "--elr <x>",
    "effective learning rate (default 2^-8.5 = 0.00276, with more than 75,000 scale-invariant parameters in proportion less)",
  )
  .action(async (data, _options, command) =>
    (await import("./commands/train.js")).train(data, command.optsWithGlobals()),
  );

program
  .command("evaluate")
  .description("accuracy, confusion matrix and calibration of a trained classifier on labelled data")
  .argument("<model>", "model.onnx of a run, or a run folder")
  .argument("<data>", dataHelp)
  .addOption(
    new Option(
      "--split <name>",
      "examples to use; default: the test split of the data it was trained on, all of other data",
    ).choices(["train", "validation", "test", "all"]),
  )
  .option("--label <column>", "label column of a table")
  .option("--no-header", "the table's first row is data")
  .option("--strict", "refuse unreadable images instead of skipping them")
  .option("--device <cpu|webgpu>", "what to run on (default cpu)")
  .option("--threads <n>", "threads of ONNX Runtime")
  .option("--out <file>", "write predictions as CSV")
  .action(async (model, data, _options, command) =>
    (await import("./commands/evaluate.js")).evaluate(model, data, command.optsWithGlobals()),
  );

program
  .command("predict")
  .description("labels and probabilities for images, or for the rows of a table")
  .argument("<model>", "model.onnx of a run, or a run folder")
  .argument("<input...>", "image files, or tables")
  .option("--top <n>", "classes to show for each input", "3")
  .option("--no-header", "the table's first row is data")
  .option("--device <cpu|webgpu>", "what to run on (default cpu)")
  .option("--threads <n>", "threads of ONNX Runtime")
  .action(async (model, inputs, _options, command) =>
    (await import("./commands/predict.js")).predict(model, inputs, command.optsWithGlobals()),
  );

program
  .command("inspect")
  .description("weights, norms, which are scale-invariant, and the proof by graph and by number")
  .argument("<model>", "an .onnx file, a run folder, or the name of a built-in model")
  .action(async (model, _options, command) =>
    (await import("./commands/inspect.js")).inspect(model, command.optsWithGlobals()),
  );

program
  .command("check")
  .description("examples per class, unreadable files, duplicates, leaks between splits")
  .argument("<data>", dataHelp)
  .option("--label <column>", "label column of a table")
  .option("--validation <share|path>", "validation split")
  .option("--test <share|path>", "test split")
  .option("--seed <n>", "seed of the splits", "0")
  .action(async (data, _options, command) =>
    (await import("./commands/check.js")).check(data, command.optsWithGlobals()),
  );

program
  .command("doctor")
  .description("versions, providers, threads, and what is missing")
  .action(async (_options, command) => (await import("./commands/doctor.js")).doctor(command.optsWithGlobals()));

program.option("-V, --version", "print the version").on("option:version", async () => {
  const { packageVersion } = await import("../run/versions.js");
  process.stdout.write(`${packageVersion}\n`);
  process.exit(0);
});

// Whoever reads may stop before the end, as head does.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});

try {
  if (process.argv.length <= 2) {
    program.outputHelp();
  } else {
    for (const command of program.commands) command.exitOverride();
    await program.parseAsync();
  }
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has said what was wrong, or shown the help.
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  } else {
    const { fail } = await import("./fail.js");
    process.exitCode = fail(error, program.opts());
  }
}
