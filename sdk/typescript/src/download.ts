// Downloads that are limited in size.
import { B2BError } from "./error.js";
import type { CallOptions } from "./transport.js";

/** Options of a download. */
export interface DownloadOptions extends CallOptions {
  /** How many bytes the file may have. Default: 10 MiB. */
  maxBytes?: number | undefined;
}

/** A file in memory. */
export interface Download {
  data: Uint8Array<ArrayBuffer>;
  /** Its media type without parameters. */
  contentType: string;
}

/** Returns the id of a file, which is given by its id or by its url. */
export function fileId(file: string): string {
  return file.slice(file.lastIndexOf("/") + 1);
}

/** Reads a file. One that is too large is an error with the code FILE_TOO_LARGE, and is not read. */
export async function readFile(response: Response, maxBytes = 10 * 2 ** 20): Promise<Download> {
  const file = await readUpTo(response, maxBytes);
  if (!file) {
    const message = `the file has more than ${maxBytes} bytes: give a larger maxBytes`;
    throw new B2BError({ status: response.status, code: "FILE_TOO_LARGE", message });
  }
  return file;
}

/** Reads a file. Returns undefined, and ends the response, if it has more bytes than the limit. */
export async function readUpTo(response: Response, maxBytes: number): Promise<Download | undefined> {
  if (Number(response.headers.get("Content-Length")) > maxBytes) {
    await response.body?.cancel();
    return undefined;
  }
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  const reader = response.body?.getReader();
  for (let piece; reader && !(piece = await reader.read()).done; ) {
    size += piece.value.length;
    if (size > maxBytes) {
      await reader.cancel();
      return undefined;
    }
    pieces.push(piece.value as Uint8Array<ArrayBuffer>);
  }
  const data = new Uint8Array(await new Blob(pieces).arrayBuffer());
  return { data, contentType: response.headers.get("Content-Type")?.split(";")[0]!.trim() || "application/octet-stream" };
}
