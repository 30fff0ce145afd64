import { IsonormError } from "../errors.js";

/**
 * What the learning rates are multiplied by at an update: a pure function of the update's index and of how many there are.
 *
 * Update i of N, i = 0 ... N - 1, uses schedule(i, N). The value after the last update, schedule(N, N), is never used: cosine and
 * linear end at 0 there, so the last update still moves.
 */
export type Schedule = (step: number, totalSteps: number) => number;

/** 1 throughout. With a fixed norm it never converges: the angle of each step stays what it is. */
export const constant: Schedule = () => 1;

/** 1 - i / N */
export const linear: Schedule = (step, totalSteps) => 1 - done(step, totalSteps);

/**
 * (1 + cos(pi i / N)) / 2, from 1 to 0 (SGDR, arXiv 1608.03983, eq. 5, one period). The default.
 *
 * @example
 * cosine(0, 10); // 1
 * cosine(5, 10); // 0.5
 */
export const cosine: Schedule = (step, totalSteps) => 0.5 * (1 + Math.cos(Math.PI * done(step, totalSteps)));

/** By name, as settings have them. */
export const schedules = { cosine, linear, constant } as const satisfies Record<string, Schedule>;

export type ScheduleName = keyof typeof schedules;

/**
 * Linear warm-up, then `after` over the steps that remain: with w warm-up steps, update i < w uses (i + 1) / (w + 1) of
 * after(0, N - w), and update i >= w uses after(i - w, N - w).
 *
 * @param warmUpShare - share of all steps, in [0, 1); w is that share of N, rounded
 *
 * @example
 * const schedule = warmUp(0.1, cosine);
 * schedule(0, 100); // 1 / 11
 * schedule(10, 100); // 1
 */
export function warmUp(warmUpShare: number, after: Schedule): Schedule {
  if (!(warmUpShare >= 0 && warmUpShare < 1))
    throw new IsonormError(
      "ISO_ARGUMENT",
      `the warm-up is ${warmUpShare} of all steps`,
      "Give a share of at least 0 and below 1",
    );
  return (step, totalSteps) => {
    const steps = Math.round(warmUpShare * totalSteps);
    if (step >= steps) return after(step - steps, totalSteps - steps);
    return ((step + 1) / (steps + 1)) * after(0, totalSteps - steps);
  };
}

/** Share of the training that is done, in [0, 1]. */
function done(step: number, totalSteps: number): number {
  return totalSteps <= 0 ? 0 : Math.min(1, Math.max(0, step / totalSteps));
}
