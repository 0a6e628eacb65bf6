// A server of the real binary, for tests in Node.
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env } from "node:process";
import { B2BClient } from "../client.js";
import type { RegisterBotResponse } from "../gen/rest/types.js";
import { Rest } from "../rest.js";
import { httpTransport } from "../transport.js";

const SECRET = "only-for-tests";

/** Runs the program b2b on a free port, with data in a temporary folder. It keeps its port over restarts. */
export class RealServer {
  readonly #binary: string;
  readonly #folder: string;
  #port = "0";
  #process: ChildProcess | undefined;
  #ended: Promise<unknown> | undefined;

  private constructor(binary: string, folder: string) {
    this.#binary = binary;
    this.#folder = folder;
  }

  /** Starts a server. */
  static async start(binary = "b2b"): Promise<RealServer> {
    const server = new RealServer(binary, await mkdtemp(join(tmpdir(), "b2b-")));
    try {
      await server.restart();
    } catch (error) {
      await server.close();
      throw error;
    }
    return server;
  }

  /** The base URL. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Starts the server again after kill. */
  async restart(): Promise<void> {
    const settings = { B2B_DATA_DIR: this.#folder, B2B_HOST: "127.0.0.1", B2B_ADMIN_SECRET: SECRET, B2B_LOG_LEVEL: "info" };
    const child = spawn(this.#binary, ["serve", "--port", this.#port], { env: { ...env, ...settings }, stdio: ["ignore", "ignore", "pipe"] });
    this.#process = child;
    this.#ended = new Promise((resolve) => (child.once("exit", resolve), child.once("error", resolve)));
    let log = "";
    this.#port = await new Promise<string>((resolve, reject) => {
      void this.#ended!.then((reason) => reject(new Error(`the server ended (${String(reason)}). Its log: ${log}`)));
      child.stderr.on("data", (data) => {
        log += String(data);
        const found = /"msg":"listening","addr":"[^"]+:(\d+)"/.exec(log);
        if (found) {
          log = "";
          resolve(found[1]!);
        }
      });
    });
  }

  /** Ends the server without a warning, as a crash does; with SIGTERM as for a restart. */
  async kill(signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<void> {
    this.#process?.kill(signal);
    await this.#ended;
  }

  /** Makes an org with bots, of which the first is an admin, and returns them with their tokens. */
  async bots(...names: string[]): Promise<RegisterBotResponse[]> {
    const rest = new Rest(httpTransport({ url: this.url }));
    let Cookie = "";
    const onResponse = ({ headers }: Response) => (Cookie = headers.get("Set-Cookie")!.split(";")[0]!);
    await rest.login({ type: "super_admin", admin_secret: SECRET }, { onResponse });
    const { id: org_id, org_secret } = await rest.createOrg({ name: "test" }, { headers: { Cookie } });
    const bots: RegisterBotResponse[] = [];
    for (const name of names) {
      bots.push(await rest.registerBot({ org_id, org_secret, name }));
    }
    await new B2BClient({ url: this.url, token: bots[0]!.token! }).updateOrgSettings({ messages_per_minute_per_bot: 1_000_000 });
    return bots;
  }

  /** Ends the server, and removes its data. */
  async close(): Promise<void> {
    await this.kill();
    await rm(this.#folder, { force: true, recursive: true });
  }
}
