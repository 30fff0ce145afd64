import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { architecture, architectureNames, architectureOptionNames } from "../models/index.js";
import { architectureSettings } from "../run/index.js";
import { parseTrainSettings } from "../train/settings.js";
import { addTrainingOptions, readTrainSettings } from "./trainingOptions.js";

const read = (...args: string[]) => {
  const command = addTrainingOptions(new Command()).exitOverride();
  return readTrainSettings(command.parse(args, { from: "user" }).opts());
};

describe("options of built-in models", () => {
  it("are all there, and so are the models' names", () => {
    const { options } = addTrainingOptions(new Command());
    const names = options.map((option) => option.attributeName());
    for (const name of architectureOptionNames) expect(names).toContain(name);
    const [listed] = options.find((option) => option.long === "--model")!.description.split("; or an .onnx file");
    expect(listed!.split(", ")).toEqual(architectureNames);
  });

  it("become settings, which stand in run.json and make the model", () => {
    const asked = read("--model", "mobilenetv2", "--width", "0.35", "--dropout", "0.1");
    expect(asked).toEqual({ model: "mobilenetv2", width: 0.35, dropout: 0.1 });
    const settings = parseTrainSettings(asked);
    expect(settings).toMatchObject({ model: "mobilenetv2", width: 0.35, dropout: 0.1 });
    expect(architecture(settings.model, settings).settings).toEqual({ width: 0.35, dropout: 0.1 });
    const options = "--patch 4 --dim 96 --depth 6 --heads 4 --drop-path 0.2".split(" ");
    expect(read("--model", "vit-tiny", ...options)).toEqual({
      model: "vit-tiny",
      patch: 4,
      dim: 96,
      depth: 6,
      heads: 4,
      dropPath: 0.2,
    });
  });

  it.each(architectureNames)("of %s are the same from the library", (name) => {
    const made = architecture(name);
    const settings = parseTrainSettings(architectureSettings(made));
    expect(architecture(settings.model, settings).settings).toEqual(made.settings);
  });

  it.each([
    ["--width", "wide"],
    ["--patch", "2.5"],
    ["--heads", "three"],
  ])("%s %s is refused", (option, value) => {
    expect(() => read(option, value)).toThrow(
      expect.objectContaining({ code: "ISO_ARGUMENT", message: expect.stringContaining(`${option} takes`) }),
    );
  });

  it.each([{ dropout: 1 }, { dropPath: -0.1 }, { width: 0 }, { depth: 1.5 }, { heads: 0 }])(
    "%j is refused as a setting",
    (setting) => {
      expect(() => parseTrainSettings(setting)).toThrow(
        expect.objectContaining({ code: "ISO_ARGUMENT", message: expect.stringContaining(Object.keys(setting)[0]!) }),
      );
    },
  );
});
