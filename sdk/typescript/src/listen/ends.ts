// What a listener does when a connection ends or is refused (B2B-SDK-020). A test compares this with
// sdk/testdata/closes.json.
import { jittered, stretched, type Clock } from "../clock.js";
import { B2BError } from "../error.js";
import { errorClasses } from "../gen/rest/errors.js";
import type { ErrorCode } from "../gen/rest/types.js";

/** Milliseconds of the pauses between connections. */
export const FIRST_PAUSE = 1_000;
export const MOST_PAUSE = 30_000;
/** Seconds of a wait if the server gives none, and at most: a date in `Retry-After` depends on two clocks. */
const USUAL_WAIT = 30;
const MOST_WAIT = 60;

/**
 * - `stop`: end with the error.
 * - `reconnect`: connect at once.
 * - `backoff`: connect after a random pause that grows.
 * - `wait`: connect after the time that the error gives, or else after 30 seconds.
 * - `resync`: report that events were missed, and continue at the present.
 * - `full`: connect when the consumer has taken half of the queue.
 */
export type Action = "stop" | "reconnect" | "backoff" | "wait" | "resync" | "full";

/** How a connection ended. */
export interface End {
  action: Action;
  error: unknown;
  /** The WebSocket was not opened, or brought nothing and was not closed by the server. */
  broken?: "refused" | "mute";
}

/** The actions by close code, or close code and reason. */
const closes: Record<string, string> = {
  "4001 Invalid token": "stop INVALID_TOKEN",
  "4001 Token expired": "stop TOKEN_EXPIRED",
  "4001 Invalid ticket": "stop SESSION_INVALID",
  "4002 Token revoked": "stop INVALID_TOKEN",
  "4002 Token regenerated": "stop INVALID_TOKEN",
  "4002": "stop AUTH_REQUIRED",
  "4003": "stop ORG_MISMATCH",
  "4008": "reconnect",
  "4009 VALIDATION_ERROR": "stop VALIDATION_ERROR",
  "4009": "resync",
  "4010": "wait",
  "4100": "wait",
  "4101": "stop ORG_DESTROYED",
  "4403 bot_pending_approval": "wait",
  "4403 bot_rejected": "stop BOT_NOT_ACTIVE",
};

/** The actions by the code of an error response. */
const refusals: Record<string, Action> = {
  ORG_SUSPENDED: "wait",
  ORG_INACTIVE: "wait",
  RATE_LIMITED: "wait",
  TOO_MANY_STREAMS: "wait",
  CURSOR_EXPIRED: "resync",
  CURSOR_AHEAD: "resync",
  EPOCH_CHANGED: "resync",
};

/** Returns what follows from the close frame of a WebSocket. */
export function ofClose(code: number, reason: string): End {
  const [action, error] = (closes[`${code} ${reason}`] ?? closes[code] ?? "backoff").split(" ");
  return { action: action as Action, error: errorOfCode(error ?? (action === "resync" ? reason : ""), `the connection was closed with ${code}: ${reason}`) };
}

/** Returns what follows from an error response, or from what prevented a response. */
export function ofRefusal(error: unknown): End {
  if (!(error instanceof B2BError)) {
    return { action: (error as { retryable?: boolean } | undefined)?.retryable === false ? "stop" : "backoff", error };
  }
  const { code, status, body } = error;
  const pending = code === "BOT_NOT_ACTIVE" && (body as { join_status?: string } | null)?.join_status === "pending";
  const otherwise = status >= 500 ? "backoff" : status === 429 ? "wait" : "stop";
  return { action: pending ? "wait" : (refusals[code] ?? otherwise), error };
}

/** Returns what follows from the last event of a stream: `resume` or `error`. */
export function ofStreamEnd(event: string, error: B2BError): End {
  if (event === "resume") {
    return { action: error.retryAfter === undefined ? "reconnect" : "backoff", error };
  }
  return error.code === "FORBIDDEN" ? { action: "backoff", error } : ofRefusal(error); // the next refusal is exact
}

/** Returns the pause before the next attempt after a number of failures in a row (B2B-SDK-021). */
export function pauseAfter({ action, error }: End, clock: Clock, failures: number): number {
  const given = error instanceof B2BError ? error.retryAfter : undefined;
  return given !== undefined || action === "wait"
    ? stretched(clock, Math.min(given ?? USUAL_WAIT, MOST_WAIT))
    : jittered(clock, FIRST_PAUSE, MOST_PAUSE, failures);
}

/** Returns an error of the catalogue that came without a response. */
export function errorOfCode(code: string, message: string): B2BError {
  const Class = Object.hasOwn(errorClasses, code) ? errorClasses[code as ErrorCode] : B2BError;
  return new Class({ status: 0, code, message });
}
