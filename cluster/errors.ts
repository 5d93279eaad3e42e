/** Exit codes of every `cluster` verb; scripts rely on them. */
export const exitCode = {
  ok: 0,
  failed: 1,
  usage: 2,
  /** Not found, or not ready in time. */
  notReady: 3,
  /** An invariant or the linearizability check was violated. */
  violated: 4,
  interrupted: 130,
} as const;

export type ExitCode = typeof exitCode[keyof typeof exitCode];

/** An expected failure: printed as one sentence (and a hint), never with a stack. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly code: ExitCode;
  /** What to do about it. */
  readonly hint: string | undefined;
  constructor(code: ExitCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }
}

/** Ends with this code; what there was to say has been said. */
export class SilentExit extends Error {
  readonly code: number;
  constructor(code: number) {
    super(`exit ${code}`);
    this.code = code;
  }
}
