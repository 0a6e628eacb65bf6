// Requests over HTTP. It needs fetch: Node 20, Deno, Bun, browsers, workers.

/** A request of an operation. */
export interface TransportRequest {
  method: string;
  /** The path with the query, from "/" on. It is appended to the base URL of the server. */
  path: string;
  headers: Record<string, string>;
  body?: string | FormData;
  /** The caller reads the body of the response as a stream, which may never end. */
  stream?: boolean;
  /** Ends the request, and the reading of its response. */
  signal: AbortSignal;
}

/**
 * Sends a request and returns the response of the server with any status. Operations turn error
 * responses into errors. Wrap a transport to retry, to log, or to test without a server.
 */
export interface Transport {
  (request: TransportRequest): Promise<Response>;
  /** The default of the option timeout of calls. Without it, that is 30000. */
  readonly timeout?: number | undefined;
}

/**
 * Options of one call. A call that takes too long fails with a DOMException named TimeoutError, and a
 * cancelled one with the reason of its signal.
 */
export interface CallOptions {
  /**
   * Milliseconds for the whole call with all that its transport does, for streams until the headers
   * of the response; 0: no limit. Default: that of the transport.
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
  /** The base URL of the server, e.g. "http://localhost:4800". It may have a path. */
  url: string;
  /** The primary or a scoped token of a bot. Without it, fetch authenticates with its cookies. */
  token?: string | undefined;
  /** The org that the caller expects to act in: the header X-Org-Id of every request. */
  orgId?: string | undefined;
  /** Milliseconds for each call, see CallOptions. Default: 30000. */
  timeout?: number | undefined;
  /** The function to use instead of the global fetch. */
  fetch?: typeof fetch | undefined;
}

/** Returns a transport that sends requests with fetch. */
export function httpTransport(options: HttpOptions): Transport {
  const base = new URL(options.url);
  if (!/^https?:$/.test(base.protocol)) {
    throw new TypeError(`the URL ${options.url} is not one of http or https`);
  }
  const root = options.url.replace(/\/+$/, "");
  const headers = {
    ...(options.token !== undefined && { Authorization: `Bearer ${options.token}` }),
    ...(options.orgId && { "X-Org-Id": options.orgId }),
  };
  const transport = ({ path, stream: _, ...request }: TransportRequest) =>
    (options.fetch ?? fetch)(root + path, { ...request, headers: { ...headers, ...request.headers } });
  return Object.assign(transport, { timeout: options.timeout });
}
