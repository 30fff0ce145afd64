/**
 * Every error isonorm raises on purpose: a code, what was wrong and where, and what to do.
 * The registry says for each code which exit status the command line gives it: 2 for bad arguments or input, 1 otherwise.
 */
const registry = {
  // arguments and settings
  ISO_ARGUMENT: 2,
  ISO_ELR_INVALID: 2,
  ISO_OUT_NOT_WRITABLE: 2,
  ISO_RESUME_MISMATCH: 2,
  // data
  ISO_DATA_MISSING: 2,
  ISO_DATA_EMPTY: 2,
  ISO_DATA_FORMAT: 2,
  ISO_DATA_ONE_CLASS: 2,
  ISO_DATA_CLASS_TOO_SMALL: 2,
  ISO_DATA_IMAGE_UNREADABLE: 2,
  ISO_DATA_TRUNCATED: 2,
  ISO_DATA_LABEL_MISSING: 2,
  ISO_DATA_NOT_NUMERIC: 2,
  ISO_DATA_NOT_FINITE: 2,
  // models
  ISO_MODEL_UNKNOWN: 2,
  ISO_MODEL_UNSUITABLE: 2,
  ISO_MODEL_UNREADABLE: 2,
  ISO_ONNX_MALFORMED: 2,
  ISO_ONNX_TOO_LARGE: 2,
  ISO_ONNX_UNSUPPORTED: 2,
  ISO_ONNX_EXTERNAL_DATA: 2,
  ISO_GRAPH_INVALID: 2,
  ISO_GRAPH_SHAPE: 2,
  ISO_AUTODIFF_NO_RULE: 2,
  ISO_LOWERING_UNSUPPORTED: 2,
  ISO_NORM_ZERO: 2,
  ISO_MEMORY: 2,
  // files of ours
  ISO_CHECKPOINT_MALFORMED: 2,
  ISO_CHECKPOINT_WRITE: 1,
  // studies
  ISO_STUDY_MISSING: 2,
  ISO_STUDY_LOCKED: 2,
  ISO_STUDY_NEWER: 2,
  ISO_STUDY_CORRUPT: 2,
  ISO_BUDGET_TOO_SMALL: 2,
  ISO_SEARCH_ALL_DIVERGED: 1,
  ISO_SEARCH_ALL_FAILED: 1,
  // running
  ISO_DEVICE_UNAVAILABLE: 2,
  ISO_DEVICE_FAILED: 1,
  ISO_DIVERGED: 1,
  ISO_WORKER_LOST: 1,
  ISO_INTERRUPTED: 130,
  ISO_INTERNAL: 1,
} as const;

export type ErrorCode = keyof typeof registry;

export class IsonormError extends Error {
  override readonly name = "IsonormError";
  readonly code: ErrorCode;
  /** What the user can do about it; one sentence. */
  readonly remedy: string;

  /**
   * @param code - from the registry
   * @param what - what was wrong and where, with the value received; one sentence without a full stop
   * @param remedy - what to do; one sentence without a full stop
   */
  constructor(code: ErrorCode, what: string, remedy: string, options?: ErrorOptions) {
    super(`${brief(what)}. ${remedy}.`, options);
    this.code = code;
    this.remedy = remedy;
  }

  /** The error that {@link plainError} made plain, as it was thrown in another process or thread. */
  static revived({ code, message, stack }: PlainError): IsonormError {
    const error = new IsonormError(code, "", "");
    error.message = message;
    if (stack !== undefined) error.stack = stack;
    return error;
  }

  /** The command line's exit status for this error. */
  get exitStatus(): number {
    return registry[this.code];
  }
}

/** An error as plain data. */
export interface PlainError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly stack?: string | undefined;
}

/** What another process or thread is to be told of an error; ISO_INTERNAL where it has no code. */
export function plainError(error: unknown): PlainError {
  if (!(error instanceof Error)) return { code: "ISO_INTERNAL", message: String(error), stack: undefined };
  const { message, stack } = error;
  return { code: error instanceof IsonormError ? error.code : "ISO_INTERNAL", message, stack };
}

/** Texts and lists from files may be long; what they are about stands at their beginning and end. */
function brief(text: string): string {
  return text.length <= 1500 ? text : `${text.slice(0, 1000)} [...] ${text.slice(-400)}`;
}
