// What the entries `node` and `testing/real` need of the types of Node, so that the SDK depends on no package.
declare module "node:fs/promises" {
  interface FileHandle {
    writeFile(data: string | Uint8Array): Promise<void>;
    sync(): Promise<void>;
    close(): Promise<void>;
  }
  export function mkdir(path: string, options: { recursive: true }): Promise<unknown>;
  export function mkdtemp(prefix: string): Promise<string>;
  export function open(path: string, flags: string, mode?: number): Promise<FileHandle>;
  export function readFile(path: string, encoding: "utf8"): Promise<string>;
  export function rename(from: string, to: string): Promise<void>;
  export function rm(path: string, options: { force: true; recursive?: true }): Promise<void>;
}
declare module "node:path" {
  export function dirname(path: string): string;
  export function join(...paths: string[]): string;
  export function resolve(path: string): string;
}
declare module "node:child_process" {
  interface ChildProcess {
    readonly stderr: { on(event: "data", listener: (data: unknown) => void): void };
    kill(signal: string): boolean;
    once(event: "exit" | "error", listener: (reason: unknown) => void): void;
  }
  export function spawn(
    command: string,
    args: string[],
    options: { env: Record<string, string | undefined>; stdio: ["ignore", "ignore", "pipe"] },
  ): ChildProcess;
}
declare module "node:os" {
  export function tmpdir(): string;
}
declare module "node:process" {
  export const env: Record<string, string | undefined>;
}
