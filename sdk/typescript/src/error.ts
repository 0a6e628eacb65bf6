/** What an error response says. */
export interface ErrorDetails {
  status: number;
  code: string;
  message: string;
  hint?: string | undefined;
  retryAfter?: number | undefined;
  retryable?: boolean;
  body?: unknown;
}

/** An error response of the server. Each code of the catalogue has a class of its own. */
export class B2BError extends Error {
  /** The HTTP status. */
  readonly status: number;
  /** The stable code, e.g. "RATE_LIMITED"; empty if the response is not one of this protocol. */
  readonly code: string;
  /** What to do, as text. */
  readonly hint: string | undefined;
  /** The number of seconds to wait before a retry. */
  readonly retryAfter: number | undefined;
  /** Whether the same call can succeed later without being changed. */
  readonly retryable: boolean;
  /**
   * The body of the response: its JSON, with the further keys of some codes, or its text. It is not
   * enumerable, so that logs do not have it: one that was cut off can have a token.
   */
  declare readonly body: unknown;

  constructor(details: ErrorDetails) {
    super(details.message);
    this.status = details.status;
    this.code = details.code;
    this.hint = details.hint;
    this.retryAfter = details.retryAfter;
    this.retryable = details.retryable ?? false;
    Object.defineProperty(this, "body", { value: details.body });
    // The name of the class is not used since minifiers change it.
    this.name = details.code.toLowerCase().replace(/(?:^|_)(.)/g, (_, c: string) => c.toUpperCase()) || "B2BError";
  }
}
