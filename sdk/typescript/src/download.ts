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

/** Reads a file. One that is too large is an error with the code FILE_TOO_LARGE, and is not read. */
export async function readFile(response: Response, maxBytes = 10 * 2 ** 20): Promise<Download> {
  const tooLarge = () => {
    const message = `the file has more than ${maxBytes} bytes: give a larger maxBytes`;
    return new B2BError({ status: response.status, code: "FILE_TOO_LARGE", message });
  };
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let size = Number(response.headers.get("Content-Length")) > maxBytes ? Infinity : 0;
  const reader = response.body?.getReader();
  for (let piece; reader && !(piece = await reader.read()).done; ) {
    size += piece.value.length;
    if (size > maxBytes) {
      await reader.cancel();
      throw tooLarge();
    }
    pieces.push(piece.value as Uint8Array<ArrayBuffer>);
  }
  const data = new Uint8Array(await new Blob(pieces).arrayBuffer());
  return { data, contentType: response.headers.get("Content-Type")?.split(";")[0]!.trim() || "application/octet-stream" };
}
