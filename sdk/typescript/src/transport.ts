// Requests over HTTP. It needs fetch: Node 20, Deno, Bun, browsers, workers.
import type { Clock } from "./clock.js";

/** A request of an operation. */
export interface TransportRequest {
  method: string;
  /** The path with the query, from "/" on. It is appended to the base URL of the server. */
  path: string;
  headers: Record<string, string>;
  body?: string | FormData;
  /** The caller reads the body of the response as a stream, which may never end. */
  stream?: boolean;
  /** The request_id of a change. The server makes the change once for all requests with it. */
  requestId?: string;
  /** Milliseconds that the server may wait before it responds. They are added to the default timeout. */
  wait?: number;
  /** Ends the request, and the reading of its response. */
  signal: AbortSignal;
}

/**
 * Sends a request and returns the response of the server with any status. Operations turn error
 * responses into errors. Wrap a transport to log, or to test without a server; `retrying` makes calls
 * again.
 */
export interface Transport {
  (request: TransportRequest): Promise<Response>;
  /** The default of the option timeout of calls. Without it, that is 30000. */
  readonly timeout?: number | undefined;
  /** How many bytes a response may have, see HttpOptions. */
  readonly maxResponseBytes?: number | undefined;
  /** Calls over the transport are made again as it says. Without it, they are made once. */
  readonly retry?: RetryPolicy | undefined;
}

/** When a call is made again. */
export interface RetryPolicy {
  /** Measures the pauses. */
  readonly clock: Clock;
  /** Returns a new request_id, for a change of a caller that gives none. */
  newRequestId(): string;
  /**
   * Returns the milliseconds to wait before the next attempt; undefined: the error is final.
   *
   * @param error An error response, or that of a connection.
   * @param failures How many attempts failed.
   */
  pause(error: unknown, failures: number, request: Omit<TransportRequest, "signal">): number | undefined;
}

/**
 * Options of one call. A call that takes too long fails with a DOMException named TimeoutError, and a
 * cancelled one with the reason of its signal.
 */
export interface CallOptions {
  /**
   * Milliseconds for the whole call with all that its transport does, for streams until the headers
   * of the response; 0 or Infinity: no limit. Default: that of the transport.
   */
  timeout?: number | undefined;
  /** Cancels the call. */
  signal?: AbortSignal | undefined;
  /** Further headers, e.g. If-None-Match. A response with status 304 is a B2BError. */
  headers?: Record<string, string> | undefined;
  /** Is called with the successful response before its body is read, e.g. for its header Link. */
  onResponse?: ((response: Response) => void) | undefined;
}

/** Options of an HTTP transport. */
export interface HttpOptions {
  /** The base URL of the server, e.g. "http://localhost:4800". It may have a path, and nothing after it. */
  url: string;
  /** The primary or a scoped token of a bot. Without it, fetch authenticates with its cookies. */
  token?: string | undefined;
  /** The org that the caller expects to act in: the header X-Org-Id of every request. */
  orgId?: string | undefined;
  /** Milliseconds for each call, see CallOptions. Default: 30000. */
  timeout?: number | undefined;
  /**
   * How many bytes a response may have after decompression. A larger one is a B2BError with the code
   * RESPONSE_TOO_LARGE, and is not read. Streams and downloads are not counted. Default: 64 MiB.
   */
  maxResponseBytes?: number | undefined;
  /** The function to use instead of the global fetch. */
  fetch?: typeof fetch | undefined;
}

/** Returns the base URL without slashes at its end. Errors do not quote it: it can have a password. */
export function baseOf(url: string): string {
  let base: URL | undefined;
  try {
    base = new URL(url);
  } catch {
    // reported below
  }
  if (!base || !/^https?:$/.test(base.protocol) || base.username || base.password || base.search || base.hash) {
    throw new TypeError("the URL must begin with http:// or https:// and have no user, query or fragment");
  }
  return (base.origin + base.pathname).replace(/\/+$/, "");
}

/** Returns the headers that authenticate with a token, if there is one. */
export function authorization(token: string | undefined): Record<string, string> {
  if (token == null) {
    return {};
  }
  if (!/^[!-~]+$/.test(token)) {
    throw new TypeError("the token is empty, or has a character that no token has, e.g. a line break at its end");
  }
  return { Authorization: `Bearer ${token}` };
}

/** Returns a transport that sends requests with fetch. It follows no redirects. */
export function httpTransport(options: HttpOptions): Transport {
  const root = baseOf(options.url);
  const common = { ...authorization(options.token), ...(options.orgId && { "X-Org-Id": options.orgId }) };
  const transport = async ({ path, stream: _, requestId: __, ...request }: TransportRequest) => {
    const headers: Record<string, string> = { ...common, ...request.headers };
    for (const name in headers) {
      // fetch would quote the value, which can be a secret.
      if (/[^\t -~\x80-\xff]/.test(String(headers[name]).trim())) {
        throw Object.assign(new TypeError(`the header ${name} has a character that headers cannot have`), { retryable: false });
      }
    }
    // A redirect would take the body to where another server says, or lose it.
    return (options.fetch ?? fetch)(root + path, { redirect: "manual", ...request, headers }).catch((error) => {
      // That of fetch does not name the server.
      const cause = error.cause ?? error;
      throw error instanceof TypeError ? new TypeError(`no response from ${root}: ${cause.code ?? cause.message}. Is the server running?`, { cause }) : error;
    });
  };
  return Object.assign(transport, { timeout: options.timeout, maxResponseBytes: options.maxResponseBytes });
}
