import { IsonormError } from "../errors.js";
import { Output } from "./output.js";

/** Tells of an error, as text and, with `--json`, as the last event. Returns the exit status. */
export function fail(error: unknown, options: { json?: boolean; debug?: boolean }): number {
  const output = new Output(options);
  const coded =
    error instanceof IsonormError
      ? error
      : new IsonormError(
          "ISO_INTERNAL",
          `something went wrong inside isonorm: ${error instanceof Error ? error.message : String(error)}`,
          "Run again with --debug and report what it shows",
          { cause: error },
        );
  if (coded !== error && error instanceof Error && error.stack) coded.stack = error.stack;
  output.error(coded, options.debug === true);
  const { code, message, exitStatus } = coded;
  output.event({ event: coded.code === "ISO_INTERRUPTED" ? "interrupted" : "error", code, message, exitStatus } as {
    event: string;
  });
  return exitStatus;
}
