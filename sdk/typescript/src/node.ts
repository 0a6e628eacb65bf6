// What needs files: Node, Deno and Bun.
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { B2BClient } from "./client.js";
import type { DownloadOptions } from "./download.js";
import type { PositionStore } from "./listen/positions.js";

/**
 * Returns a store that keeps positions in a file, so that a listener continues after the program was
 * restarted. One program at a time may use the file.
 */
export function filePositions(path: string): PositionStore {
  let positions: Promise<Record<string, string>> | undefined;
  let writing: Promise<void> = Promise.resolve();
  const read = () => (positions ??= readPositions(path));
  return {
    load: async (key) => (await read())[key],
    async save(key, position) {
      const all = await read();
      all[key] = position;
      const before = writing;
      writing = (async () => {
        await before.catch(() => {}); // its caller has the error
        try {
          await replaceFile(path, `${JSON.stringify(all)}\n`);
        } catch (error) {
          throw failed("written to", path, error);
        }
      })();
      await writing;
    },
  };
}

async function readPositions(path: string): Promise<Record<string, string>> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") {
      return {};
    }
    throw failed("read from", path, error);
  }
  try {
    return JSON.parse(text) as Record<string, string>;
  } catch (error) {
    throw new Error(`${path} has no positions: remove it, or give another file`, { cause: error });
  }
}

/** Names the file of positions in an error of the file system, whose code it keeps. */
function failed(what: string, path: string, cause: unknown): Error {
  const { code, message } = cause as { code?: string; message: string };
  return Object.assign(new Error(`no position could be ${what} ${path}: ${message}`, { cause }), { code });
}

/** Reads a file, given by its id or its relative URL, and writes it to a path. Returns the absolute path. */
export async function downloadToPath(client: Pick<B2BClient, "downloadFile">, file: string, path: string, options?: DownloadOptions): Promise<string> {
  const { data } = await client.downloadFile(file, options);
  const absolute = resolve(path);
  await mkdir(dirname(absolute), { recursive: true });
  await replaceFile(absolute, data);
  return absolute;
}

/** Writes a whole file: a reader, also after a crash, finds the old content or the new one. */
async function replaceFile(path: string, data: string | Uint8Array): Promise<void> {
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  try {
    const handle = await open(temporary, "wx", 0o600);
    try {
      await handle.writeFile(data);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
