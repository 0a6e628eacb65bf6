// Upload and download of files over REST. It needs fetch: Node 20, Deno, Bun, browsers, workers.

/** What is known of a file. Its `url` names it in parts and artifacts. */
export interface FileInfo {
  id: string;
  name: string;
  mime_type: string;
  size: number;
  uploader_id: string | null;
  url: string;
  created_at: number;
}

/** A refusal of the server. */
export class FilesError extends Error {
  override name = "FilesError";
  constructor(
    message: string,
    /** The status of the answer. */
    readonly status: number,
    /** The stable code, e.g. "RATE_LIMITED"; empty when the answer was not this protocol's. */
    readonly code: string,
    /** In how many seconds it can help to try again. */
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

export interface FilesOptions {
  /** Base of the server, e.g. "http://localhost:4800". */
  url: string;
  /** Primary or scoped token of a bot; without it the cookies that fetch has are what counts. */
  token?: string | undefined;
  /** Another fetch than the global one. */
  fetch?: typeof fetch;
}

export interface UploadOptions {
  /** What to call the file; that of a `File` when absent. */
  name?: string;
  /** Its media type; that of the Blob when absent, else text/plain. */
  type?: string;
  /** Makes the upload safe to send again for 24 hours. */
  requestId?: string;
  signal?: AbortSignal;
}

export interface DownloadOptions {
  /** The first byte wanted, from 0. */
  start?: number;
  /** The last byte wanted, included. */
  end?: number;
  signal?: AbortSignal;
}

/** The files of a bot's org. */
export class Files {
  readonly #options: FilesOptions;

  constructor(options: FilesOptions) {
    this.#options = options;
  }

  /** Stores bytes as a file. A Blob of `fs.openAsBlob` is streamed, not read into memory. */
  async upload(data: Blob | Uint8Array<ArrayBuffer> | ArrayBuffer | string, options: UploadOptions = {}): Promise<FileInfo> {
    const type = options.type ?? ((data instanceof Blob && data.type) || "text/plain");
    const blob = data instanceof Blob && data.type === type ? data : new Blob([data], { type });
    const name = options.name ?? (data as Partial<File>).name;
    if (name === undefined) {
      throw new TypeError("a file needs a name: give one in the options");
    }
    const form = new FormData();
    if (options.requestId !== undefined) {
      form.append("request_id", options.requestId);
    }
    form.append("file", blob, name);
    const answer = await this.#call("/api/files/upload", options.signal, { method: "POST", body: form });
    return (await answer.json()) as FileInfo;
  }

  /**
   * Asks for a file, by its id or url, or for a range of its bytes. The answer's body is
   * read as any other (`blob()`, `text()`, as a stream), and fails when not all of it comes.
   */
  async download(file: string, options: DownloadOptions = {}): Promise<Response> {
    const headers: Record<string, string> = {};
    if (options.start !== undefined || options.end !== undefined) {
      headers.Range = `bytes=${options.start ?? 0}-${options.end ?? ""}`;
    }
    return await this.#call(path(file), options.signal, { headers });
  }

  /** What is known of a file, by its id or url. */
  async info(file: string, options: { signal?: AbortSignal } = {}): Promise<FileInfo> {
    const answer = await this.#call(`${path(file)}/info`, options.signal, {});
    return (await answer.json()) as FileInfo;
  }

  async #call(to: string, signal: AbortSignal | undefined, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers);
    if (this.#options.token !== undefined) {
      headers.set("Authorization", `Bearer ${this.#options.token}`);
    }
    const send = this.#options.fetch ?? fetch;
    const answer = await send(this.#options.url.replace(/\/$/, "") + to, { ...init, headers, ...(signal && { signal }) });
    if (answer.ok) {
      return answer;
    }
    const told: { error?: string; code?: string; retry_after?: number } = await answer.json().catch(() => ({}));
    throw new FilesError(told.error ?? `the server answered ${answer.status}`, answer.status, told.code ?? "", told.retry_after);
  }
}

function path(file: string): string {
  return `/api/files/${encodeURIComponent(file.slice(file.lastIndexOf("/") + 1))}`;
}
