// What the generated operations share: how they write requests and read responses.
import { B2BError } from "./error.js";
import { errorClasses, retryableCodes } from "./gen/rest/errors.js";
import type { CallOptions, Transport, TransportRequest } from "./transport.js";

type Fields = object | undefined;
type Headers = Record<string, string | undefined>;

/** Encodes the values in a path. A value that would name another path is refused. */
export function path(texts: TemplateStringsArray, ...values: string[]): string {
  return texts.reduce((left, right, i) => {
    const value = values[i - 1]!;
    if (/^\.{0,2}$/.test(value)) {
      throw new TypeError(`${left} cannot be followed by ${JSON.stringify(value)}: give an id or a name`);
    }
    return left + encodeURIComponent(value) + right;
  });
}

/** Returns a request that has its fields in the query. */
export function query(method: string, path: string, fields: Fields, headers?: Headers): TransportRequest {
  const values = new URLSearchParams();
  for (const [name, value] of Object.entries(fields ?? {})) {
    if (value != null) {
      values.append(name, String(value)); // lists are separated by commas
    }
  }
  return request(method, values.size > 0 ? `${path}?${values}` : path, headers);
}

/** Returns a request that has its fields in a JSON object. */
export function body(method: string, path: string, fields: Fields, headers?: Headers): TransportRequest {
  return { ...request(method, path, { ...headers, "Content-Type": "application/json" }), body: JSON.stringify(fields ?? {}) };
}

/** Returns a request with a form of a file. The headers of its part have its name and media type. */
export function form(method: string, path: string, file: Blob, fields: Fields): TransportRequest {
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
  return { ...request(method, path), body: form };
}

/** Returns the value of If-Match for revisions, undefined for none. */
export function etags(one?: number, all?: number[]): string | undefined {
  return [...(one === undefined ? [] : [one]), ...(all ?? [])].map((revision) => `"${revision}"`).join(", ") || undefined;
}

function request(method: string, path: string, headers: Headers = {}): TransportRequest {
  const kept = Object.entries(headers).filter((pair): pair is [string, string] => pair[1] !== undefined);
  return { method, path, headers: Object.fromEntries(kept) };
}

/**
 * Sends a request and returns its JSON. A response with an accepted status is an error only if its
 * body is one.
 */
export async function json<T>(transport: Transport, request: TransportRequest, options?: CallOptions, ...accepted: number[]): Promise<T> {
  const response = await send(transport, request, options, accepted);
  const text = await response.text();
  const body = parse(text);
  if (body === undefined || (!response.ok && codeOf(body))) {
    throw errorOf(response, text);
  }
  return body as T;
}

/** Sends a request and returns the text of the response. */
export async function text(transport: Transport, request: TransportRequest, options?: CallOptions): Promise<string> {
  return (await send(transport, request, options)).text();
}

/** Sends a request whose response has no body. */
export async function none(transport: Transport, request: TransportRequest, options?: CallOptions): Promise<void> {
  await send(transport, request, options);
}

/** Sends a request and returns the response for the caller to read. */
export function stream(transport: Transport, request: TransportRequest, options?: CallOptions): Promise<Response> {
  return send(transport, { ...request, stream: true }, options);
}

async function send(transport: Transport, request: TransportRequest, options: CallOptions = {}, accepted: number[] = []): Promise<Response> {
  const { timeout, signal, headers, onResponse } = options;
  const response = await transport({
    ...request,
    headers: { ...request.headers, ...headers },
    ...(timeout !== undefined && { timeout }),
    ...(signal && { signal }),
  });
  if (!response.ok && !accepted.includes(response.status)) {
    throw errorOf(response, await response.text());
  }
  onResponse?.(response);
  return response;
}

/** Returns the error that a response with this body is. */
export function errorOf(response: Response, text: string): B2BError {
  const { status, headers } = response;
  const body = parse(text);
  const code = codeOf(body);
  const wait = Number(member(body, "retry_after", "number") ?? headers.get("Retry-After") ?? NaN);
  const Class = (Object.hasOwn(errorClasses, code) && errorClasses[code as keyof typeof errorClasses]) || B2BError;
  return new Class({
    status,
    code,
    message: (member(body, "error", "string") as string) ?? (response.ok ? "the response is not JSON" : `the server responded with status ${status}`),
    hint: member(body, "hint", "string") as string | undefined,
    retryAfter: Number.isNaN(wait) ? undefined : wait,
    retryable: code ? retryableCodes.includes(code) : [429, 502, 503, 504].includes(status),
    body: body ?? text,
  });
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
