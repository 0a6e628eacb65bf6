// Upload and download of files over REST. It needs fetch: Node 20, Deno, Bun, browsers, workers.
import { errorOf } from "./call.js";
import { authorization, baseOf } from "./transport.js";

/** The metadata of a file. Parts and artifacts refer to the file by its `url`. */
export interface FileInfo {
  id: string;
  name: string;
  mime_type: string;
  size: number;
  uploader_id: string | null;
  url: string;
  created_at: number;
}

/** An error response of the server. */
export class FilesError extends Error {
  override name = "FilesError";
  constructor(
    message: string,
    /** The status of the response. */
    readonly status: number,
    /** The stable code, e.g. "RATE_LIMITED"; empty if the response is not one of this protocol. */
    readonly code: string,
    /** The number of seconds to wait before a retry. */
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

export interface FilesOptions {
  /** The base URL of the server, e.g. "http://localhost:4800". */
  url: string;
  /** The primary or a scoped token of a bot. Without it, fetch authenticates with its cookies. */
  token?: string | undefined;
  /** The function to use instead of the global fetch. */
  fetch?: typeof fetch;
}

export interface UploadOptions {
  /** The name of the file. Default: the name of `data`, if it is a `File`. */
  name?: string;
  /** The media type. Default: the type of `data`, if it is a Blob with one, else text/plain. */
  type?: string;
  /** With an id, it is safe to send the same upload again for 24 hours. */
  requestId?: string;
  signal?: AbortSignal;
}

export interface DownloadOptions {
  /** The position of the first byte to return, from 0. */
  start?: number;
  /** The position of the last byte to return. */
  end?: number;
  signal?: AbortSignal;
}

/** Uploads and downloads files of a bot's org. */
export class Files {
  readonly #base: string;
  readonly #headers: Record<string, string>;
  readonly #fetch: typeof fetch | undefined;

  constructor(options: FilesOptions) {
    this.#base = baseOf(options.url);
    this.#headers = authorization(options.token);
    this.#fetch = options.fetch;
  }

  /** Stores data as a file. A Blob from `fs.openAsBlob` is streamed, not read into memory. */
  async upload(data: Blob | Uint8Array<ArrayBuffer> | ArrayBuffer | string, options: UploadOptions = {}): Promise<FileInfo> {
    const type = options.type ?? ((data instanceof Blob && data.type) || "text/plain");
    const blob = data instanceof Blob && data.type === type ? data : new Blob([data], { type });
    const name = options.name ?? (data as Partial<File>).name;
    if (name === undefined) {
      throw new TypeError("the file has no name: set options.name");
    }
    const form = new FormData();
    if (options.requestId !== undefined) {
      form.append("request_id", options.requestId);
    }
    form.append("file", blob, name);
    const response = await this.#call("/api/files/upload", options.signal, { method: "POST", body: form });
    return (await response.json()) as FileInfo;
  }

  /**
   * Requests a file, given by its id or url, or a range of its bytes. Reading the body of the
   * response (`blob()`, `text()`, as a stream) fails if the connection ends too early.
   */
  async download(file: string, options: DownloadOptions = {}): Promise<Response> {
    const headers: Record<string, string> = {};
    if (options.start !== undefined || options.end !== undefined) {
      headers.Range = `bytes=${options.start ?? 0}-${options.end ?? ""}`;
    }
    return await this.#call(path(file), options.signal, { headers });
  }

  /** Returns the metadata of a file, given by its id or url. */
  async info(file: string, options: { signal?: AbortSignal } = {}): Promise<FileInfo> {
    const response = await this.#call(`${path(file)}/info`, options.signal, {});
    return (await response.json()) as FileInfo;
  }

  async #call(to: string, signal: AbortSignal | undefined, init: RequestInit): Promise<Response> {
    const send = this.#fetch ?? fetch;
    const headers = { ...init.headers, ...this.#headers } as Record<string, string>;
    const response = await send(this.#base + to, { ...init, redirect: "manual", headers, ...(signal && { signal }) });
    if (response.ok) {
      return response;
    }
    const { message, status, code, retryAfter } = errorOf(response, await response.text());
    throw new FilesError(message, status, code, retryAfter);
  }
}

function path(file: string): string {
  return `/api/files/${encodeURIComponent(file.slice(file.lastIndexOf("/") + 1))}`;
}
