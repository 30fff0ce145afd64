import { readFileSync } from "node:fs";
import { join } from "node:path";
import { IsonormError } from "../../errors.js";
import { writeFileAtomically } from "../../files/index.js";
import type { TrainingReport } from "../../report/index.js";
import { type DoneEvent, readRun, runFiles, runTraining } from "../../run/index.js";
import type { Trial } from "../study.js";
import { trialFolder } from "./files.js";
import type { OpenSearch } from "./open.js";
import { interrupted, trialJob } from "./trial.js";

/** Attempts at finishing before a vanished process ends the search. */
const mostAttempts = 5;

/** The winner's training, finished: its figures as its exported model gives them, and its report's content. */
export interface FinishedWinner {
  readonly done: DoneEvent;
  readonly report: TrainingReport;
}

/**
 * Finishes the winner's training where it was run: its checkpoint is at the last step, so nothing is trained again. This alone touches the test split. The model, the checkpoint and the
 * learning curve then stand in the search's own run folder too.
 */
export async function finishWinner(search: OpenSearch, winner: Trial, signal: AbortSignal): Promise<FinishedWinner> {
  const { out } = search.job;
  const own = trialFolder(out, winner.number);
  const job = trialJob(search, winner, readRun(own).threads, true);
  for (let attempt = 1; ; attempt++) {
    let report: TrainingReport | undefined;
    try {
      const done = await runTraining(job, {
        signal,
        onReport: (content) => {
          report = content;
        },
      });
      for (const name of ["model", "checkpoint", "metrics"] as const) copy(own, out, runFiles[name]);
      return { done, report: report! };
    } catch (error) {
      if (signal.aborted) throw interrupted(search);
      if (attempt === mostAttempts || !isLoss(error)) throw error;
    }
  }
}

const isLoss = (error: unknown): boolean =>
  error instanceof IsonormError && (error.code === "ISO_WORKER_LOST" || error.code === "ISO_INTERRUPTED");

function copy(from: string, to: string, name: string): void {
  try {
    writeFileAtomically(join(to, name), readFileSync(join(from, name)));
  } catch (cause) {
    throw new IsonormError(
      "ISO_CHECKPOINT_WRITE",
      `cannot copy ${name} from ${from} to ${to} (${(cause as NodeJS.ErrnoException).code ?? cause})`,
      `Make room, then continue with --resume ${to}`,
      { cause },
    );
  }
}
