import { IsonormError } from "../../errors.js";

/** For a file that is damaged or not ours. */
export function corrupt(path: string, why: string, cause?: unknown): IsonormError {
  return new IsonormError(
    "ISO_STUDY_CORRUPT",
    `${path} is not a sound study file: ${why}`,
    "Restore it from a copy, or search again into another folder; it was left as it is",
    { cause },
  );
}

/** Whether another connection holds a lock. */
export function isBusy(error: unknown): boolean {
  return /^SQLITE_(BUSY|LOCKED)/.test((error as { code?: string }).code ?? "");
}

/** Runs a database call; its errors come out as ours. */
export function translated<T>(path: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw translate(path, error);
  }
}

/** Our error for one of the driver's; any other error as it is. */
export function translate(path: string, error: unknown): unknown {
  if (error instanceof IsonormError) return error;
  const { code = "", message } = error as { code?: string; message: string };
  if (isBusy(error))
    return new IsonormError(
      "ISO_STUDY_LOCKED",
      `another process is writing to ${path} and did not finish in time`,
      "Close the program that has it open, and resume; nothing was lost",
      { cause: error },
    );
  // "malformed JSON" comes as a general error, from a computed column over a damaged record.
  if (/^SQLITE_(CORRUPT|NOTADB)/.test(code) || message === "malformed JSON") return corrupt(path, message, error);
  if (/^SQLITE_(FULL|IOERR|READONLY|CANTOPEN|PERM)/.test(code) || message.startsWith("ConnectionFailed"))
    return new IsonormError(
      "ISO_OUT_NOT_WRITABLE",
      `${path} cannot be written: ${message}`,
      "Free some space, or choose an output folder that can be written",
      { cause: error },
    );
  return error;
}
