// Requests over HTTP. It needs fetch: Node 20, Deno, Bun, browsers, workers.

/** A request of an operation. */
export interface TransportRequest {
  method: string;
  /** The path with the query, from "/" on. It is appended to the base URL of the server. */
  path: string;
  headers: Record<string, string>;
  body?: string | FormData;
  /** The response is a stream, so the timeout ends when its headers arrive. */
  stream?: boolean;
  /** Milliseconds; absent: that of the transport. */
  timeout?: number;
  signal?: AbortSignal;
}

/**
 * Sends a request and returns the response of the server with any status. Operations turn error
 * responses into errors. Wrap a transport to retry, to log, or to test without a server.
 */
export type Transport = (request: TransportRequest) => Promise<Response>;

/** Options of one call. */
export interface CallOptions {
  /** Milliseconds for the whole call, for streams until the headers of the response; 0: no limit. */
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
  /** The base URL of the server, e.g. "http://localhost:4800". It may have a path. */
  url: string;
  /** The primary or a scoped token of a bot. Without it, fetch authenticates with its cookies. */
  token?: string | undefined;
  /** The org that the caller expects to act in: the header X-Org-Id of every request. */
  orgId?: string | undefined;
  /** Milliseconds for each call, for streams until the headers of the response. Default: 30000. */
  timeout?: number | undefined;
  /** The function to use instead of the global fetch. */
  fetch?: typeof fetch | undefined;
}

/**
 * Returns a transport that sends requests with fetch. A call that takes too long fails with a
 * DOMException named TimeoutError, a cancelled one with the reason of its signal, and one that does
 * not reach the server with the TypeError of fetch.
 */
export function httpTransport(options: HttpOptions): Transport {
  const base = new URL(options.url);
  if (!/^https?:$/.test(base.protocol)) {
    throw new TypeError(`the URL ${options.url} is not one of http or https`);
  }
  const root = options.url.replace(/\/+$/, "");
  return async ({ method, path, headers, body, stream, timeout, signal }) => {
    signal?.throwIfAborted();
    const limit = timeout ?? options.timeout ?? 30_000;
    const controller = new AbortController();
    const cancel = () => controller.abort(signal?.reason);
    signal?.addEventListener("abort", cancel, { once: true });
    const timer =
      limit > 0
        ? setTimeout(() => controller.abort(new DOMException(`no response within ${limit} ms`, "TimeoutError")), limit)
        : undefined;
    const release = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", cancel);
    };
    const send = options.fetch ?? fetch;
    try {
      const response = await send(root + path, {
        method,
        headers: {
          ...(options.token !== undefined && { Authorization: `Bearer ${options.token}` }),
          ...(options.orgId && { "X-Org-Id": options.orgId }),
          ...headers,
        },
        signal: controller.signal,
        ...(body !== undefined && { body }),
      });
      if (stream && response.ok) {
        clearTimeout(timer); // the caller reads the body, and cancels by its signal
        return response;
      }
      const bytes = await response.arrayBuffer();
      release();
      const empty = response.status === 204 || response.status === 304;
      return new Response(empty ? null : bytes, response);
    } catch (error) {
      release();
      throw error;
    }
  };
}
