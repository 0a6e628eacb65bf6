import { readUpTo } from "../download.js";
import { DownloadError, resultOf } from "./errors.js";
import type { DownloadInput, DownloadOptions, DownloadResult } from "./types.js";

const defaultMaxBytes = 10 * 1024 * 1024;

/** Returns the address of a file, and whether it is of the server. */
function addressOf(base: string, input: DownloadInput): { address: string; own: boolean } {
  const { fileId, url } = (typeof input === "string" ? { fileId: input } : input) as { fileId?: string; url?: string };
  if (url === undefined) {
    if (!fileId) throw new DownloadError("FILE_ID_EMPTY", "the id of the file is empty");
    return { address: `${base}/api/files/${encodeURIComponent(fileId)}`, own: true };
  }
  if (!url) throw new DownloadError("URL_EMPTY", "the URL of the file is empty");
  if (url.startsWith("/")) return { address: base + url, own: true };
  try {
    if (/^https?:/.test(url)) return { address: url, own: new URL(url).origin === new URL(base).origin };
  } catch {
    // reported below
  }
  throw new DownloadError("URL_INVALID", "the URL of the file must begin with /, http: or https:");
}

/** Requests an address and follows redirects, to other origins without the token and the org. */
async function follow(address: string, auth: Record<string, string>, signal: AbortSignal): Promise<Response> {
  let at = address;
  let headers = auth;
  for (let redirects = 0; redirects < 20; redirects++) {
    const response = await fetch(at, { headers, signal, redirect: "manual" });
    if (response.type === "opaqueredirect") {
      break; // browsers do not say where to
    }
    const to = [301, 302, 303, 307, 308].includes(response.status) ? response.headers.get("Location") : null;
    if (!to) {
      return response;
    }
    await response.body?.cancel();
    const next = new URL(to, at);
    if (next.origin !== new URL(at).origin) headers = {};
    at = next.href;
  }
  return fetch(at, { headers, signal });
}

/** Downloads a file into memory, if it is not too large. */
export async function download(base: string, auth: Record<string, string>, timeout: number, input: DownloadInput, options: DownloadOptions = {}): Promise<DownloadResult> {
  const { address, own } = addressOf(base, input);
  const maxBytes = options.maxBytes ?? defaultMaxBytes;
  const controller = new AbortController();
  const cancel = () => controller.abort(options.signal!.reason);
  const limit = AbortSignal.timeout(options.timeout ?? timeout);
  const late = () => controller.abort(limit.reason);
  limit.addEventListener("abort", late);
  options.signal?.addEventListener("abort", cancel);
  try {
    if (options.signal?.aborted) cancel();
    const response = await follow(address, (options.includeAuth ?? own) ? auth : {}, controller.signal);
    if (!response.ok) return await resultOf(response);
    const file = await readUpTo(response, maxBytes);
    if (!file) throw new DownloadError("FILE_TOO_LARGE", `the file is larger than ${maxBytes} bytes`);
    return { buffer: file.data, contentType: file.contentType, size: file.data.length };
  } finally {
    limit.removeEventListener("abort", late);
    options.signal?.removeEventListener("abort", cancel);
  }
}

/** Writes a file whole or not at all, and returns its absolute path. It needs Node, Deno or Bun. */
export async function write(path: string, data: Uint8Array): Promise<string> {
  const [files, paths] = ["node:fs/promises", "node:path"]; // names in variables: bundlers for browsers do not resolve them
  const { mkdir, rename, rm, stat, writeFile } = await import(files!);
  const { dirname, resolve } = await import(paths!);
  const absolute: string = resolve(path);
  await mkdir(dirname(absolute), { recursive: true });
  const found = await stat(absolute).catch(() => undefined);
  if (found && !found.isFile()) {
    await writeFile(absolute, data); // a device or a pipe; a folder is an error
    return absolute;
  }
  const temporary = `${absolute}.${crypto.randomUUID()}.part`;
  try {
    await writeFile(temporary, data);
    await rename(temporary, absolute);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  return absolute;
}
