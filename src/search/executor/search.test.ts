import { describe, expect, it } from "vitest";
import { rungName } from "./report.js";
import { strategyOf } from "./search.js";

const refusal = (words: RegExp) =>
  expect.objectContaining({ code: "ISO_ARGUMENT", message: expect.stringMatching(words) });

describe("how to search", () => {
  it("is bracket within three full trainings, by accuracy, over the ELR alone, unless said otherwise", () => {
    expect(strategyOf({})).toEqual({
      strategy: { name: "bracket", settings: { budget: 3 } },
      searched: [],
      choose: "accuracy",
    });
    expect(strategyOf({ budget: 2, lowRung: 0.25, choose: "loss", search: ["lr", "scale"] })).toEqual({
      strategy: { name: "bracket", settings: { budget: 2, fraction: 0.25 } },
      // in the space's order, whatever the order in which they were asked for
      searched: ["scale", "lr"],
      choose: "loss",
    });
  });

  it("gives a grid as many points on the ELR's axis as make at most the trials asked for", () => {
    const points = (trials: number, ...search: ("scale" | "lr")[]) =>
      strategyOf({ strategy: "grid", trials, search }).strategy.settings.points;
    expect(points(15)).toEqual({ elr: 15 });
    expect(points(20, "scale")).toEqual({ elr: 6 });
    expect(points(20, "scale", "lr")).toEqual({ elr: 2 });
    expect(() => points(8, "scale", "lr")).toThrow(refusal(/grid of 8.*at least 9/));
  });

  it("gives a random search its number of trials", () => {
    expect(strategyOf({ strategy: "random", trials: 7 }).strategy.settings).toEqual({ points: 7 });
    expect(strategyOf({ strategy: "random" }).strategy.settings).toEqual({});
  });

  it("refuses what does not go together", () => {
    expect(() => strategyOf({ trials: 7 })).toThrow(refusal(/bracket decides/));
    expect(() => strategyOf({ strategy: "grid", lowRung: 0.1 })).toThrow(refusal(/low rung/));
    expect(() => strategyOf({ strategy: "tpe" as "grid" })).toThrow(refusal(/"tpe".*bracket, grid, random/));
    expect(() => strategyOf({ search: ["elr" as "lr"] })).toThrow(refusal(/"elr"/));
  });
});

it("a rung is called by its share of the epochs", () => {
  expect([1, 1 / 8, 1 / 3, 0.3125, 0.4].map(rungName)).toEqual(["full", "1/8", "1/3", "31.3%", "40%"]);
});
