// Upload and download of files with few options: a thin layer over the operations that the client uses.
import { fileId } from "./download.js";
import { B2BError } from "./error.js";
import { getFile, getFileInfo, uploadFile } from "./gen/rest/operations.js";
import type { File as FileInfo } from "./gen/rest/types.js";
import { httpTransport, type Transport } from "./transport.js";

/** An error response of the server: the class of errors of the root entry, under its name here. */
export { B2BError as FilesError };

/** The metadata of a file. Parts and artifacts refer to the file by its `url`. */
export type { FileInfo };

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

/** Uploads and downloads files of a bot's org. Each call is made once, and has no timeout. */
export class Files {
  readonly #transport: Transport;

  constructor(options: FilesOptions) {
    this.#transport = httpTransport({ ...options, timeout: 0 });
  }

  /** Stores data as a file. A Blob from `fs.openAsBlob` is streamed, not read into memory. */
  async upload(data: Blob | Uint8Array<ArrayBuffer> | ArrayBuffer | string, options: UploadOptions = {}): Promise<FileInfo> {
    const { name, type: mime_type, requestId: request_id, signal } = options;
    return await uploadFile(this.#transport, data instanceof Blob ? data : new Blob([data]), { name, mime_type, request_id }, { signal });
  }

  /**
   * Requests a file, given by its id or url, or a range of its bytes. Reading the body of the
   * response (`blob()`, `text()`, as a stream) fails if the connection ends too early.
   */
  async download(file: string, { start, end, signal }: DownloadOptions = {}): Promise<Response> {
    const ranged = start !== undefined || end !== undefined;
    return await getFile(this.#transport, fileId(file), {}, { signal, headers: ranged ? { Range: `bytes=${start ?? 0}-${end ?? ""}` } : undefined });
  }

  /** Returns the metadata of a file, given by its id or url. */
  async info(file: string, { signal }: { signal?: AbortSignal } = {}): Promise<FileInfo> {
    return await getFileInfo(this.#transport, fileId(file), {}, { signal });
  }
}
