import { createInterface } from "node:readline";

/** Whoever takes training steps in a process of its own. */
export interface Server {
  /** Milliseconds of each of so many steps. */
  steps(count: number): Promise<readonly number[]>;
  /** Losses before each of so many steps with that learning rate. */
  losses?(count: number, rate: number): Promise<readonly number[]>;
}

/**
 * Answers the bench, line by line: says what it is at once, then a JSON list to each `steps N` and `losses N RATE`, and at the end of stdin
 * `{"peakMemoryBytes"}` of this process.
 */
export async function serve(description: Readonly<Record<string, unknown>>, server: Server): Promise<void> {
  const answer = (value: unknown): void => console.log(JSON.stringify(value));
  answer(description);
  for await (const line of createInterface({ input: process.stdin })) {
    const [command, count, rate] = line.split(" ");
    if (command === "steps") answer(await server.steps(Number(count)));
    else if (command === "losses" && server.losses) answer(await server.losses(Number(count), Number(rate)));
    else throw new Error(`no answer to ${line}`);
  }
  answer({ peakMemoryBytes: process.resourceUsage().maxRSS * 1024 });
  process.exit(0);
}
