/**
 * Writes docs/evidence/search.md and its plot from what replay.ts and replay_optuna.py left in .cache/bench-search.
 *
 *   npx tsx bench/search/evidence.ts
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type RegretLine, regretChart } from "./regretChart.js";
import { cacheFolder, defaultElr, mostTrials, type Replay, type ReplayFile, replays, type Surfaces } from "./replay.js";
import { costs, costToReach, finalRegrets, regretQuantile, shareInterval } from "./summary.js";
import type { Surface } from "./surface.js";

const shownCosts = [1, 2, 3, 5, 10, 20, 40];
const spaceNames = { elr: "ELR", plain: "lr × wd" } as const;
/** Rows that look at the bracket from another side; they stand in its own table alone. */
const variants = ["bracket, chosen by loss", "bracket, uncertain surface"];

interface Evidence {
  readonly surfaces: Surfaces;
  readonly replays: readonly Replay[];
}

const heading = ({ surfaces }: Evidence): string => `${surfaces.workload}, ${surfaces.epochs} epochs`;
const bracketOf = ({ replays }: Evidence): Replay => replays.find(({ method }) => method === "bracket")!;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? "---" : "---:"))), ...rows.map(line)].join("\n");
}

const figure = (value: number): string => {
  if (!Number.isFinite(value)) return "–";
  if (value < 0.005) return "0";
  return value >= 9.95 ? value.toFixed(0) : value.toFixed(value >= 0.995 ? 1 : 2);
};
const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;
/** Of 200 seeds one is half a percent: whether nine of ten are reached must not be rounded. */
const exactPercent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const power = (exponent: number): string => `2^${Number(exponent.toFixed(2))}`;
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/** Share of the searched space whose expected loss is within one seed's noise of the best: how easy the surface is. */
function easyShare({ lnLoss, divergence, best }: Surface): number {
  const good = lnLoss.filter((y, i) => divergence[i] === 0 && Math.exp(y) <= best.loss + best.noise);
  return good.length / lnLoss.length;
}

/** Of the bracket's variants, and of `default`, nothing happens after the end. */
function regretRow(replay: Replay): string[] {
  const end = Math.max(...costs(replay));
  const first = shownCosts.find((cost) => cost >= end - 1e-9) ?? shownCosts.at(-1)!;
  return [
    `${replay.method}, ${spaceNames[replay.space]}`,
    ...shownCosts.map((cost) => {
      if (cost > first) return "";
      const [middle, high] = [0.5, 0.9].map((share) => regretQuantile(replay, cost, share));
      return Number.isFinite(middle!) ? `${figure(middle!)} / ${figure(high!)}` : "–";
    }),
  ];
}

function reachRow(evidence: Evidence, replay: Replay): string[] {
  const cells = [0.5, 0.9].flatMap((share) => {
    const reach = (of: Replay): number | undefined => costToReach(of, 1, share);
    const [own, bracket] = [reach(replay), reach(bracketOf(evidence))];
    const most = Math.max(...costs(replay));
    const ratio =
      replay.method === "bracket" || !bracket
        ? ""
        : own
          ? figure(own / bracket)
          : most < mostTrials
            ? ""
            : `> ${figure(most / bracket)}`;
    return [own ? figure(own) : most < mostTrials ? "never" : `> ${most}`, ratio];
  });
  return [`${replay.method}, ${spaceNames[replay.space]}`, ...cells];
}

function bracketRow(evidence: Evidence, replay: Replay): string[] {
  const regrets = finalRegrets(replay);
  const within = regrets.filter((regret) => regret <= 1).length;
  const [low, high] = shareInterval(within, regrets.length);
  const spent = costs(replay);
  return [
    `${heading(evidence)}: ${replay.method}`,
    `${exactPercent(within / regrets.length)} (${percent(low)} to ${percent(high)})`,
    figure(mean(regrets)),
    mean(spent).toFixed(2),
    Math.max(...spent).toFixed(2),
  ];
}

function surfaceRows(evidence: Evidence): string[][] {
  const { elr, low, plain } = evidence.surfaces;
  const row = (name: string, surface: Surface): string[] => [
    `${heading(evidence)}: ${name}`,
    String(surface.trainings),
    surface.kind === "elr"
      ? power(surface.best.at[0]!)
      : `lr ${power(surface.best.at[0]!)}, wd ${(2 ** surface.best.at[1]!).toExponential(1)}`,
    surface.best.loss.toFixed(4),
    `${surface.best.noise.toFixed(4)} (${percent(surface.best.noise / surface.best.loss)})`,
    percent(easyShare(surface)),
  ];
  return [row("ELR", elr), row(`ELR, ${low.epochs} epochs`, low), ...(plain ? [row("lr × wd", plain)] : [])];
}

/** What the figures say, in sentences. */
function findings(all: readonly Evidence[]): string {
  return all
    .map((evidence) => {
      const bracket = bracketOf(evidence);
      const reach = (replay: Replay, share: number): number | undefined => costToReach(replay, 1, share);
      const described = (replay: Replay): string => {
        const [half, most] = [reach(replay, 0.5), reach(replay, 0.9)];
        const [bracketHalf, bracketMost] = [reach(bracket, 0.5), reach(bracket, 0.9)];
        const versus = (own: number | undefined, its: number | undefined): string => {
          if (!its) return own ? `${figure(own)}, the bracket does not get there` : "neither gets there";
          if (!own)
            return `not in ${mostTrials}, the bracket in ${figure(its)}: more than ${figure(mostTrials / its)} times cheaper`;
          return own >= its
            ? `${figure(own)}, the bracket ${figure(its)}: ${figure(own / its)} times cheaper`
            : `${figure(own)}, the bracket ${figure(its)}: ${figure(its / own)} times dearer`;
        };
        return `  - ${replay.method} over ${spaceNames[replay.space]}: for half of the seeds ${versus(half, bracketHalf)}; for nine of ten ${versus(most, bracketMost)}.`;
      };
      const optuna = evidence.replays.filter(({ method }) => method.startsWith("Optuna"));
      const regrets = finalRegrets(bracket);
      const share = exactPercent(regrets.filter((regret) => regret <= 1).length / regrets.length);
      const single = evidence.replays.find(({ method, space }) => method === "default" && space === "elr")!;
      const defaultRegret = finalRegrets(single)[0]!;
      return [
        `- **${heading(evidence)}**: the bracket ends within one seed's noise of the best for ${share} of the seeds, at ${mean(costs(bracket)).toFixed(2)} full trainings on average. The default ELR ${power(defaultElr)}, trained once, has a regret of ${figure(defaultRegret)} times the noise. Full trainings until within one seed's noise:`,
        ...optuna.map(described),
      ].join("\n");
    })
    .join("\n");
}

const colours: readonly (readonly [RegExp, string])[] = [
  [/^bracket|^default/, "#2a5bc8"],
  [/TPE/, "#b8470f"],
  [/GP/, "#7b2d8e"],
  [/^grid/, "#23805f"],
  [/./, "#80858d"],
];

/** The bracket, default, random, grid and, of the newest Optuna, the samplers with their own defaults. */
function plotted(evidence: Evidence, newest: string | undefined): RegretLine[] {
  return evidence.replays
    .filter(
      ({ method }) =>
        ["bracket", "default", "random", "grid"].includes(method) ||
        (newest !== undefined && method.startsWith(newest) && !method.includes("startup")),
    )
    .map((replay) => {
      const every = [...new Set(replay.runs.flatMap((run) => run.map(([cost]) => cost)))].sort((a, b) => a - b);
      const points = every.map((cost) => [cost, regretQuantile(replay, cost, 0.5)] as const);
      return {
        name: `${replay.method}, ${spaceNames[replay.space]}`,
        colour: colours.find(([pattern]) => pattern.test(replay.method))![1],
        dashed: replay.space === "plain",
        heavy: replay.method === "bracket",
        points: points.filter(([, regret]) => Number.isFinite(regret)),
      };
    });
}

function document(all: readonly Evidence[], missing: readonly string[]): string {
  const others = (evidence: Evidence): Replay[] => evidence.replays.filter(({ method }) => !variants.includes(method));
  const perSetting = all.map(
    (evidence) => `### ${heading(evidence)}

Regret, median / 90 % of the seeds, in units of one seed's noise, after that many full trainings. –: most seeds have no full training yet. Empty: the search has ended.

${table(
  ["method", ...shownCosts.map(String)],
  others(evidence).map((replay) => regretRow(replay)),
)}

Full trainings until the regret is within one seed's noise, and stays there, for half and for nine of ten seeds; and how many times more that is than the bracket's.

${table(
  ["method", "half", "× bracket", "nine of ten", "× bracket"],
  others(evidence).map((replay) => reachRow(evidence, replay)),
)}`,
  );
  return `# What the search costs, and what it finds

Written by \`npm run bench:search\`, from tables of real trainings (\`bench/search/tables\`, made by \`bench/search/makeTables.ts\`). ${replays} seeds of every method are replayed on them. Losses are in validation
cross-entropy; *regret* is the expected loss at the chosen point less the least expected loss on a dense grid of the same space. *Cost* is in full trainings, with every short and every diverged one charged.
${missing.length > 0 ? `\nLeft out, because their tables are not complete: ${missing.join("; ")}.\n` : ""}
## Findings

${findings(all)}

![Median regret against cost](search.svg)

## The bracket's choice

Share of seeds whose chosen ELR has an expected validation loss within one seed's noise of the dense grid's best (with Wilson's 95 % interval for ${replays} seeds), mean regret in units of that noise, mean and greatest cost. \`bracket\` is
what \`isonorm search\` does: the winner is the best by validation accuracy, ties within its standard error going to the lower loss. "Chosen by loss" is \`choose: "loss"\`. "Uncertain surface": each seed searches on curves of
its own, drawn from all that the tables' few seeds leave possible, at both lengths, and its regret is against that curve's best; so this line includes what the tables do not know.

${table(
  ["", "within one seed's noise", "mean regret", "mean cost", "greatest cost"],
  all.flatMap((evidence) =>
    evidence.replays.filter(({ method }) => method.startsWith("bracket")).map((replay) => bracketRow(evidence, replay)),
  ),
)}

## Cost against regret

${perSetting.join("\n\n")}

## The surfaces

${table(["", "trainings", "best", "its loss", "one seed's noise there", "of the space within it"], all.flatMap(surfaceRows))}

- **Space.** ELR from 2^-13 to 2^-3; the bracket starts from ${power(defaultElr)} as always. Plain: SGD with momentum 0.9 without the fixed norm, learning rate from 2^-7 to 2, weight decay from 1e-5 to 1e-2. All of it logarithmic.
- **Mean.** ln(loss) averaged over the seeds of each table point; a Gaussian process (Matérn 5/2, hyperparameters by marginal likelihood, noise known from the seeds) takes the rest of the noise out; tabulated on a dense grid
  and linear in between. Without it the best would be the deepest dent of the noise, which no search could find; what the smoothing does not know is in the line "uncertain surface" above.
- **Noise.** Each lookup draws the deviation of one real training near by (weights normal in the distance, one octave of rate, 1.7 octaves of weight decay) from the mean of its table point, times sqrt(n / (n - 1)), n being the point's
  number of seeds. *One seed's noise* is the standard deviation of these deviations at the best point, times the loss there. It is known to a fifth or so.
- **Divergence.** A lookup diverges with the share of seeds that diverged, and is charged in full. The tables do not say when it happened.

## The methods

- **bracket**: \`src/search\`, driven through \`nextStep\`, settings of the command line (budget 3, low rung of an eighth of the epochs).
- **default**: one training, nothing searched: ELR ${power(defaultElr)}; for lr × wd 0.1 and 5e-4, which are customary.
- **random**: Sobol's sequence, scrambled by the seed. **grid**: another one for each budget, over lr × wd the squarest that the budget pays for;
  one point in each of equal cells, at a share of the cell that the seed draws, so that no budget has the luck of a point on the optimum.
- **Optuna**: validation loss as the objective, rates and decay with \`log=True\`, diverged trials told as pruned, no pruner: every training is a full one. The version stands in the name.
- All but the bracket keep the training with the lowest observed validation loss.

## What this does not show

- Three settings on two small data sets and two networks. The bracket's default ELR and the widths of its prior (\`src/search/response/prior.ts\`) come from measurements on these same two data sets, its drift with the training's length from these
  tables themselves, so for the bracket this is no independent test. A problem whose best ELR is far from the default costs it more.
- Regret over lr × wd is against the best of lr × wd, not of the ELR: it tells how fast a search finds what its own space has. The table of surfaces tells what the spaces have.
- Three seeds a point. All points of one length share their three seeds' initial weights and data order, so an error of the means is partly common to all points, which moves a curve up or down but not its optimum.
- One validation split: expected loss is over training seeds on that split. What the split itself gets wrong is not in the regret, and no test set is looked at here.
- lr × wd is there for the shortest full length alone. Multi-fidelity methods (Hyperband, BOHB, successive halving) were not replayed; over one dimension the bracket's low rung is one itself.
`;
}

function main(): void {
  const text = readFileSync(join(cacheFolder, "surfaces.json"), "utf8");
  const every = JSON.parse(text) as Surfaces[];
  const digest = createHash("sha256").update(text).digest("hex");
  const files = readdirSync(cacheFolder).filter((name) => /^(replays|optuna-.*)\.json$/.test(name));
  const made = files
    .sort((a, b) => b.localeCompare(a))
    .flatMap((name): readonly Replay[] => {
      const { surfaces, replays } = JSON.parse(readFileSync(join(cacheFolder, name), "utf8")) as ReplayFile;
      if (surfaces === digest) return replays;
      console.error(`${name} is left out: it was made on other surfaces, replay again`);
      return [];
    });
  const all = every.map((surfaces): Evidence => {
    const own = made.filter(({ workload, epochs }) => workload === surfaces.workload && epochs === surfaces.epochs);
    return { surfaces, replays: own };
  });
  const wanted = ["digits-mlp, 40 epochs", "fashion-convnet, 6 epochs", "fashion-convnet, 18 epochs"];
  const missing = wanted.filter((name) => !all.some((evidence) => heading(evidence) === name));
  const versions = made.flatMap(({ method }) => method.match(/^Optuna \S+/)?.[0] ?? []);
  const newest = versions.sort((a, b) => b.localeCompare(a, "en", { numeric: true }))[0];
  mkdirSync("docs/evidence", { recursive: true });
  writeFileSync(
    "docs/evidence/search.svg",
    regretChart(all.map((evidence) => ({ title: heading(evidence), lines: plotted(evidence, newest) }))),
  );
  writeFileSync("docs/evidence/search.md", document(all, missing));
}

main();
