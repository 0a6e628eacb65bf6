// The connection of a client: one socket at a time, opened again by the rules of the SDK of HXA-Connect.
import { Emitter } from "./emitter.js";

/** How a client connects again. */
export interface ReconnectOptions {
  /** Default: true. */
  enabled?: boolean;
  /** Milliseconds before the first attempt. Default: 1000. */
  initialDelay?: number;
  /** The longest pause in milliseconds. Default: 30000. */
  maxDelay?: number;
  /** By how much each pause is longer than the one before. Default: 2. */
  backoffFactor?: number;
  /** The number of attempts in a row. Default: no limit. */
  maxAttempts?: number;
}

/** What a connection needs. */
export interface ConnectionOptions {
  /** Returns the address of a new socket, with a new ticket. */
  address(): Promise<string>;
  reconnect: ReconnectOptions;
  /** Milliseconds until a socket must be open. */
  timeout: number;
  /** Options of the package `ws`. */
  wsOptions?: object | undefined;
  /** Milliseconds without a frame until the server is asked for one. Default: 25000. */
  idle?: number;
}

/** What the socket of the runtime and that of the package `ws` have in common. */
interface Socket {
  readonly readyState: number;
  send(data: string): void;
  close(): void;
  /** Only `ws`: ends the connection at once. */
  terminate?(): void;
  addEventListener(type: string, listener: (event: any) => void): void;
}

const open = 1;
/** The number of restarts of the server in a row that are followed without a pause. */
const maxImmediate = 3;
/** Milliseconds after which a connection counts as stable. */
const stable = 10_000;

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #emitter: Emitter;
  /** The open socket. */
  #socket: Socket | undefined;
  /** The connect() in progress. */
  #connecting: Promise<void> | undefined;
  /** Ends the attempt in progress, that of connect() or of a reconnect. */
  #abort: (() => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Counts calls of connect() and disconnect(). What an earlier one began has no effect. */
  #generation = 0;
  #attempts = 0;
  #restarts = 0;
  /** For each ping without a pong, whether the program sent it. */
  #pings: boolean[] = [];

  constructor(emitter: Emitter, options: ConnectionOptions) {
    this.#emitter = emitter;
    this.#options = options;
  }

  connect(): Promise<void> {
    if (this.#socket?.readyState === open) {
      return Promise.resolve();
    }
    if (!this.#connecting) {
      this.#reset();
      const connecting = this.#attempt().finally(() => {
        if (this.#connecting === connecting) this.#connecting = undefined;
      });
      this.#connecting = connecting;
    }
    return this.#connecting;
  }

  disconnect(): void {
    const socket = this.#socket;
    this.#reset();
    socket?.close();
  }

  ping(): void {
    this.#ping(true);
  }

  /** Ends whatever is in progress. The socket is nobody's: its end is reported and leads to nothing. */
  #reset(): void {
    this.#generation++;
    clearTimeout(this.#timer);
    this.#abort?.();
    this.#connecting = this.#socket = undefined;
    this.#attempts = this.#restarts = 0;
    this.#pings = [];
  }

  /** Opens a socket, with a new ticket. `opened` is called before its first frame is emitted. */
  async #attempt(opened = () => {}): Promise<void> {
    let aborted = false;
    let stop = () => {};
    const failure = (reason?: string) => new Error(`WebSocket connection failed${reason ? `: ${reason}` : ""}`);
    const abort = () => {
      aborted = true;
      stop();
    };
    this.#abort = abort;
    try {
      const address = await this.#options.address();
      const construct = aborted ? undefined : await this.#maker();
      if (aborted || !construct) {
        throw failure("the client was disconnected");
      }
      await new Promise<void>((resolve, reject) => {
        const socket = construct(address);
        const fail = (reason?: string) => {
          clearTimeout(timer);
          reject(failure(reason));
        };
        const timer = setTimeout(() => {
          fail("no response in time");
          end(socket);
        }, this.#options.timeout);
        stop = () => {
          fail("the client was disconnected");
          end(socket);
        };
        // Frames can come with the response of the handshake, so their listener is there before it.
        const begin = this.#listen(socket);
        socket.addEventListener("open", () => {
          if (aborted) return;
          clearTimeout(timer);
          this.#socket = socket;
          begin();
          opened();
          resolve();
        });
        socket.addEventListener("error", (event) => {
          if (this.#socket === socket) {
            this.#emitter.emit("error", event.error ?? event);
          } else {
            fail(socket.terminate ? event.message : undefined);
          }
        });
        socket.addEventListener("close", () => fail());
      });
    } finally {
      if (this.#abort === abort) this.#abort = undefined;
    }
  }

  /** Emits the frames and the end of a socket. Returns what is to be called when it is open. */
  #listen(socket: Socket): () => void {
    let watch: ReturnType<typeof setInterval> | undefined;
    let opened: number | undefined;
    let silent = 0;
    const finish = (code: number, reason: string) => {
      clearInterval(watch);
      if (opened === undefined) return;
      const lived = Date.now() - opened;
      opened = undefined;
      this.#ended(socket, code, reason, lived);
    };
    socket.addEventListener("message", ({ data }) => {
      silent = 0;
      this.#receive(socket, data);
    });
    socket.addEventListener("close", ({ code, reason }) => finish(code, String(reason ?? "")));
    return () => {
      opened = Date.now();
      watch = setInterval(() => {
        if (this.#socket !== socket) {
          return; // it is being closed
        }
        if (++silent > 2) {
          finish(1006, ""); // nothing came though the server was asked twice
          end(socket);
        } else {
          this.#ping(false);
        }
      }, this.#options.idle ?? 25_000);
    };
  }

  #receive(socket: Socket, data: unknown): void {
    let frame: any;
    try {
      // Binary frames of ws are bytes; those of other sockets are Blobs, which are no JSON.
      frame = JSON.parse(typeof data === "string" ? data : data instanceof Uint8Array ? new TextDecoder().decode(data) : "");
    } catch {
      return; // not a frame of the protocol
    }
    if (frame === null || (frame.type === "pong" && this.#socket === socket && this.#pings.shift() === false)) {
      return;
    }
    if (frame.type) this.#emitter.emit(frame.type, frame);
    this.#emitter.emit("*", frame);
  }

  #ended(socket: Socket, code: number, reason: string, lived: number): void {
    const generation = this.#socket === socket ? this.#generation : -1;
    if (this.#socket === socket) {
      this.#socket = undefined;
      this.#pings = [];
    }
    this.#emitter.emit("close", { code, reason });
    if (generation !== this.#generation) {
      return; // the program has disconnected, or connects itself
    }
    if (code === 4002) {
      this.#emitter.emit("session_invalidated", { code, reason });
      return;
    }
    this.#restarts = code !== 1012 || lived >= stable ? 0 : this.#restarts;
    this.#again(code === 1012 && ++this.#restarts <= maxImmediate);
  }

  /** Plans the next attempt. */
  #again(atOnce = false): void {
    const { enabled = true, initialDelay = 1000, maxDelay = 30_000, backoffFactor = 2, maxAttempts = Infinity } = this.#options.reconnect;
    if (!enabled) {
      return;
    }
    if (this.#attempts >= maxAttempts) {
      this.#emitter.emit("reconnect_failed", { attempts: this.#attempts });
      return;
    }
    const attempt = ++this.#attempts;
    const steps = Math.max(attempt, this.#restarts - maxImmediate) - 1;
    const delay = atOnce ? 0 : Math.min(initialDelay * backoffFactor ** steps, maxDelay);
    const generation = this.#generation;
    this.#timer = setTimeout(() => {
      const opened = () => {
        this.#attempts = 0;
        this.#emitter.emit("reconnected", { attempts: attempt });
      };
      this.#attempt(opened).catch(() => {
        if (generation === this.#generation) this.#again();
      });
    }, delay);
    this.#emitter.emit("reconnecting", { attempt, delay });
  }

  #ping(byProgram: boolean): void {
    if (this.#socket?.readyState === open) {
      this.#pings.push(byProgram);
      this.#socket.send('{"type":"ping"}');
    }
  }

  /** Returns what makes a socket: that of the package `ws` if its options are given, else that of the runtime. */
  async #maker(): Promise<(address: string) => Socket> {
    const { wsOptions } = this.#options;
    const Native = (globalThis as { WebSocket?: new (address: string) => Socket }).WebSocket;
    if (!wsOptions && Native) {
      return (address) => new Native(address);
    }
    const name = "ws"; // a name in a variable keeps bundlers from including the package
    const ws = await import(name).catch((cause: unknown) => {
      if (Native) return undefined;
      throw new Error("this runtime has no WebSocket: install the package ws", { cause });
    });
    if (ws) {
      return (address) => new ws.default(address, wsOptions);
    }
    if ("process" in globalThis) {
      this.#emitter.emit("error", new Error("wsOptions have no effect: install the package ws"));
    }
    return (address) => new Native!(address);
  }
}

/** Ends a socket that does not answer, which close() would wait for. */
function end(socket: Socket): void {
  (socket.terminate ?? socket.close).call(socket);
}
