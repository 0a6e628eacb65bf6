// What the generated operations share: how they write requests and read responses.
import { sleep } from "./clock.js";
import { readUpTo } from "./download.js";
import { B2BError } from "./error.js";
import { errorClasses, retryableCodes } from "./gen/rest/errors.js";
import type { CallOptions, Transport, TransportRequest } from "./transport.js";

/** A request without what the options of a call add. */
type Draft = Omit<TransportRequest, "signal">;
type Fields = object | undefined;
type Headers = Record<string, string | undefined>;

/** Encodes the values in a path. A value that would name another path is refused. */
export function path(texts: TemplateStringsArray, ...values: string[]): string {
  return texts.reduce((left, right, i) => {
    const value = values[i - 1]!;
    if (typeof value !== "string" || /^\.{0,2}$/.test(value)) {
      throw new TypeError(`${left} cannot be followed by ${JSON.stringify(value)}: give an id or a name`);
    }
    return left + encodeURIComponent(value) + right;
  });
}

/** Returns a request that has its fields in the query. */
export function query(method: string, path: string, fields: Fields, headers?: Headers): Draft {
  const values = new URLSearchParams();
  for (const [name, value] of Object.entries(fields ?? {})) {
    if (value != null) {
      values.append(name, String(finite(name, value))); // lists are separated by commas
    }
  }
  return request(method, values.size > 0 ? `${path}?${values}` : path, headers, fields);
}

/** Returns a request that has its fields in a JSON object. */
export function body(method: string, path: string, fields: Fields, headers?: Headers): Draft {
  return { ...request(method, path, { ...headers, "Content-Type": "application/json" }, fields), body: JSON.stringify(fields ?? {}, finite) };
}

/** Refuses NaN and Infinity, which JSON writes as null. */
function finite(name: string, value: unknown): unknown {
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new TypeError(`${name} cannot be ${value}`);
  }
  return value;
}

/** Returns a request with a form of a file. The headers of its part have its name and media type. */
export function form(method: string, path: string, file: Blob, fields: Fields): Draft {
  const { name = (file as Partial<File>).name, mime_type, ...others } = (fields ?? {}) as Record<string, string>;
  if (name === undefined) {
    throw new TypeError("the file has no name: set the field name");
  }
  const type = mime_type ?? (file.type || "text/plain");
  const form = new FormData();
  for (const [key, value] of Object.entries(others)) {
    if (value !== undefined) {
      form.append(key, value);
    }
  }
  form.append("file", file.type === type ? file : new Blob([file], { type }), name);
  return { ...request(method, path, {}, fields), body: form };
}

/** Returns the value of If-Match for revisions, undefined for none. */
export function etags(one?: number, all?: number[]): string | undefined {
  return [...(one === undefined ? [] : [one]), ...(all ?? [])].map((revision) => `"${revision}"`).join(", ") || undefined;
}

/**
 * Returns the fields of a change with the request_id of its call: that of the caller, or else a new
 * one if the transport retries.
 */
export function once<T extends Fields>(transport: Transport, fields: T): T {
  return !transport.retry || idOf(fields) ? fields : { ...fields, request_id: transport.retry.newRequestId() };
}

function idOf(fields: Fields): string | undefined {
  return (fields as { request_id?: string } | undefined)?.request_id || undefined;
}

function request(method: string, path: string, headers: Headers = {}, fields?: Fields): Draft {
  const kept = Object.entries(headers).filter((pair): pair is [string, string] => pair[1] !== undefined);
  const requestId = idOf(fields);
  const { wait_seconds } = (fields ?? {}) as { wait_seconds?: number };
  return { method, path, headers: Object.fromEntries(kept), ...(requestId && { requestId }), ...(wait_seconds && { wait: wait_seconds * 1000 }) };
}

/**
 * Sends a request and returns its JSON. A response with an accepted status is an error only if its
 * body is one.
 */
export function json<T>(transport: Transport, request: Draft, options?: CallOptions, ...accepted: number[]): Promise<T> {
  const read = async (response: Response) => {
    const text = await textOf(response, transport);
    const body = parse(text);
    if (body === undefined || (!response.ok && codeOf(body))) {
      throw errorOf(response, text);
    }
    return body as T;
  };
  return send(transport, request, options, read, accepted);
}

/** Sends a request and returns the text of the response. */
export function text(transport: Transport, request: Draft, options?: CallOptions): Promise<string> {
  return send(transport, request, options, (response) => textOf(response, transport));
}

/** Returns the text of a response. One that is too large is an error, and is not read (B2B-SDK-039). */
async function textOf(response: Response, { maxResponseBytes = 64 * 2 ** 20 }: Transport): Promise<string> {
  const { status, headers } = response;
  if (!headers.has("Content-Encoding") && Number(headers.get("Content-Length") ?? Infinity) <= maxResponseBytes) {
    return response.text();
  }
  const read = await readUpTo(response, maxResponseBytes);
  if (!read) {
    const message = `the response has more than ${maxResponseBytes} bytes: give a larger maxResponseBytes`;
    throw new B2BError({ status, code: "RESPONSE_TOO_LARGE", message });
  }
  return new TextDecoder().decode(read.data);
}

/** Sends a request whose response has no body. */
export function none(transport: Transport, request: Draft, options?: CallOptions): Promise<void> {
  return send(transport, request, options, (response) => response.body?.cancel());
}

/** Sends a request and returns the response for the caller to read. */
export function stream(transport: Transport, request: Draft, options?: CallOptions): Promise<Response> {
  return send(transport, { ...request, stream: true }, options, (response, ended) => new Response(response.body && ending(response.body, ended), response));
}

/**
 * Sends a request and reads its response within the timeout, again if the transport retries. What
 * reads a stream calls ended when the caller has read it.
 */
async function send<T>(
  transport: Transport,
  request: Draft,
  options: CallOptions = {},
  read: (response: Response, ended: () => void) => T | Promise<T>,
  accepted: number[] = [],
): Promise<T> {
  const usual = transport.timeout ?? 30_000;
  const { timeout = usual && usual + (request.wait ?? 0), signal, headers, onResponse } = options;
  if (!(timeout >= 0)) {
    throw new TypeError(`the timeout cannot be ${timeout}: give milliseconds, or 0 for no limit`);
  }
  signal?.throwIfAborted();
  const controller = new AbortController();
  const cancel = () => controller.abort(signal?.reason);
  signal?.addEventListener("abort", cancel);
  const ended = () => signal?.removeEventListener("abort", cancel);
  const late = () => controller.abort(new DOMException(`no response within ${timeout} ms`, "TimeoutError"));
  const timer = timeout > 0 && timeout < 2 ** 31 ? setTimeout(late, timeout) : undefined; // timers cannot wait longer
  const clock = transport.retry?.clock;
  const deadline = clock && timeout > 0 ? clock.now() + timeout : Infinity;
  const sent = { ...request, headers: { ...request.headers, ...headers }, signal: controller.signal };
  let streams = false;
  try {
    for (let failures = 1; ; failures++) {
      let response: Response | undefined;
      let ours = true; // an error of onResponse is the caller's
      try {
        response = await transport(sent);
        if (!response.ok && !accepted.includes(response.status)) {
          throw errorOf(response, await textOf(response, transport));
        }
        ours = false;
        onResponse?.(response);
        ours = true;
        const result = await read(response, ended);
        streams = request.stream === true && response.body !== null;
        return result;
      } catch (error) {
        response?.body?.cancel().catch(() => {}); // what is left of it
        const pause = ours && !controller.signal.aborted ? transport.retry?.pause(error, failures, request) : undefined;
        if (pause === undefined || clock!.now() + pause >= deadline) {
          throw error;
        }
        await sleep(clock!, pause, controller.signal);
      }
    }
  } finally {
    clearTimeout(timer);
    if (!streams) {
      ended();
    }
  }
}

/** Returns a stream of the same bytes, which calls ended when it ends, fails or is cancelled. */
function ending(body: ReadableStream<Uint8Array>, ended: () => void): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (!done) {
            return controller.enqueue(value);
          }
        } catch (error) {
          ended();
          throw error;
        }
        ended();
        controller.close();
      },
      cancel(reason) {
        ended();
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

/** Returns the error that a response with this body is. */
export function errorOf(response: Response, text: string): B2BError {
  const { status, headers } = response;
  const body = parse(text);
  const code = codeOf(body);
  const Class = Object.hasOwn(errorClasses, code) ? errorClasses[code as keyof typeof errorClasses] : undefined;
  const otherwise = response.ok
    ? "the response is not JSON"
    : headers.has("Location") || !status // browsers hide a redirect
      ? "the response is a redirect: the URL is not that of the server"
      : `the server responded with status ${status}`;
  return new (Class ?? B2BError)({
    status,
    code,
    message: (member(body, "error", "string") as string) ?? otherwise,
    hint: member(body, "hint", "string") as string | undefined,
    retryAfter: seconds(member(body, "retry_after", "number")) ?? seconds(headers.get("Retry-After")),
    retryable: Class ? retryableCodes.includes(code) : [429, 502, 503, 504].includes(status),
    body: body ?? text,
  });
}

/** Returns the seconds of a wait that a number, its text or an HTTP date gives; undefined for others. */
function seconds(given: unknown): number | undefined {
  const text = String(given);
  const wait = / GMT$/.test(text) ? Math.max(0, (Date.parse(text) - Date.now()) / 1000) : /^[\d.]+$/.test(text) ? Number(text) : NaN;
  return Number.isFinite(wait) ? wait : undefined;
}

function codeOf(body: unknown): string {
  return (member(body, "code", "string") as string) ?? "";
}

function member(body: unknown, key: string, type: string): unknown {
  const value = (body as Record<string, unknown> | null | undefined)?.[key];
  return typeof value === type ? value : undefined;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
