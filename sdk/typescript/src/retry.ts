// When a call is made again (B2B-SDK-001 to B2B-SDK-005).
import { jittered, stretched, systemClock, type Clock } from "./clock.js";
import { B2BError } from "./error.js";
import type { RetryPolicy, Transport, TransportRequest } from "./transport.js";

/** How often a call is made again, and after which pauses. */
export interface RetryOptions {
  /** How many attempts may follow the first. Default: 4. */
  attempts?: number | undefined;
  /** Milliseconds up to which the pause before the second attempt is random; it doubles then. Default: 250. */
  initial?: number | undefined;
  /** Milliseconds that this limit does not exceed. Default: 8000. */
  max?: number | undefined;
  /** Seconds: if the server gives a longer time, the error is returned at once. Default: 60. */
  retryAfterMax?: number | undefined;
  /** Replaces time and chance in tests. */
  clock?: Clock | undefined;
}

/**
 * Returns a transport with calls that are made again after no response, 429, 502, 503 and 504. A
 * change is sent with one request_id in all attempts; one that has none in the schema is made again
 * only if the server cannot have executed it.
 */
export function retrying(transport: Transport, options: RetryOptions = {}): Transport {
  const { attempts = 4, initial = 250, max = 8_000, retryAfterMax = 60, clock = systemClock } = options;
  const retry: RetryPolicy = {
    clock,
    newRequestId,
    pause(error, failures, request) {
      if (failures > attempts || !repeatable(error, request)) {
        return undefined;
      }
      const wait = error instanceof B2BError ? error.retryAfter : undefined;
      if (wait === undefined) {
        return jittered(clock, initial, max, failures - 1);
      }
      return wait <= retryAfterMax ? stretched(clock, wait) : undefined;
    },
  };
  return Object.assign((request: TransportRequest) => transport(request), { timeout: transport.timeout, maxResponseBytes: transport.maxResponseBytes, retry });
}

/** Reports whether a request may be sent again after an error of it. */
function repeatable(error: unknown, request: Pick<TransportRequest, "method" | "requestId">): boolean {
  const safe = request.method === "GET" || request.requestId !== undefined;
  if (error instanceof B2BError) {
    return error.retryable && (error.status === 429 || (safe && [502, 503, 504].includes(error.status)));
  }
  const failed = error as { retryable?: boolean; cause?: { code?: unknown }; code?: unknown } | undefined;
  if (failed?.retryable === false) {
    return false; // nothing was sent
  }
  return safe || /^(ECONNREFUSED|ConnectionRefused)$/.test(String(failed?.cause?.code ?? failed?.code));
}

/** Returns 128 random bits. */
export function newRequestId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
