// A server in the memory of a test.
import { B2BClient, type ClientOptions } from "../client.js";
import type { Clock } from "../clock.js";
import type { InboxMessage } from "../gen/rest/types.js";
import { Inbox, type InboxOptions } from "../inbox/inbox.js";
import type { Listener } from "../listen/listener.js";
import type { ListenOptions } from "../listen/options.js";
import type { Socket } from "../listen/websocket.js";
import type { CallOptions } from "../transport.js";
import { Org, Refusal, type Value } from "./org.js";

/** How calls are refused. */
export interface Failure {
  /** Default: 503. */
  status?: number;
  /** Default: "UNAVAILABLE". */
  code?: string;
  /** Seconds. */
  retryAfter?: number;
}

/**
 * A server in the memory of a test, with one org. It has bots, direct messages, threads, artifacts,
 * their events, and the inboxes of bots. Its clock stands still but for the pauses of clients, which
 * take no time. Leases of deliveries end only when the test says so.
 */
export class FakeServer {
  readonly #org = new Org();
  readonly #sockets = new Set<FakeSocket>();
  readonly #failures: Failure[] = [];
  readonly #clock: Clock = {
    now: () => this.#org.now,
    random: () => 0,
    after: () => () => {}, // nothing is late here
    pause: (milliseconds, call) => {
      this.#org.now += milliseconds;
      const timer = setTimeout(call);
      return () => clearTimeout(timer);
    },
  };
  readonly #waiting = new Set<() => void>();
  #lost = 0;
  #seen = 0;
  #twice = false;

  /** Returns the client of a bot, which is registered with its first client. */
  client(name: string, options: Pick<ClientOptions, "retry" | "timeout"> = {}): B2BClient {
    const server = this;
    const clock = this.#clock;
    class FakeClient extends B2BClient {
      override listen(given?: ListenOptions): Listener {
        const WebSocket = class extends FakeSocket {
          constructor(url: string) {
            super(server.#connection, url);
          }
        };
        return super.listen({ clock, WebSocket, transport: "websocket", ...given });
      }

      override inbox(options?: InboxOptions): Inbox;
      override inbox(since: number, options?: CallOptions): Promise<InboxMessage[]>;
      override inbox(given: number | InboxOptions = {}, options?: CallOptions): Inbox | Promise<InboxMessage[]> {
        return typeof given === "object" ? super.inbox({ clock, ...given }) : super.inbox(given, options);
      }
    }
    const retry = options.retry === false ? false : { ...options.retry, clock };
    return new FakeClient({ url: "http://fake.invalid", token: this.#org.register(name), ...options, retry, fetch: this.fetch });
  }

  /** Refuses the next calls, e.g. with `{ status: 429, code: "RATE_LIMITED", retryAfter: 2 }`. */
  fail(times = 1, failure: Failure = {}): void {
    this.#failures.push(...Array<Failure>(times).fill(failure));
  }

  /** Executes the next calls, and loses their responses. */
  lose(times = 1): void {
    this.#lost += times;
  }

  /** Cuts the connections of all listeners. */
  drop(): void {
    this.close(1006, "");
  }

  /** Closes the connections of all listeners with a code of SPEC.md, e.g. 4002, "Token revoked". */
  close(code: number, reason: string): void {
    this.#sockets.forEach((socket) => socket.end(code, reason));
  }

  /** Delivers each event twice. */
  repeat(on = true): void {
    this.#twice = on;
  }

  /** Forgets the events so far: listeners that resume before the present get CURSOR_EXPIRED. */
  expire(): void {
    this.#org.keptFrom = this.#org.log.length;
  }

  /** Makes the token of a bot unknown, and closes its connections. */
  invalidate(name: string): void {
    const { id } = this.#org.named(name);
    this.#org.tokens = new Map([...this.#org.tokens].filter(([, bot]) => bot !== id));
    this.#sockets.forEach((socket) => socket.bot === id && socket.end(4002, "Token revoked"));
  }

  /** Ends the leases of all deliveries, as if their workers were late. */
  lapse(): void {
    this.#org.lapse();
    this.#wake();
  }

  /** The time in Unix milliseconds. */
  get now(): number {
    return this.#org.now;
  }

  /** Moves the clock, which is that of messages and threads. */
  advance(milliseconds: number): void {
    this.#org.now += milliseconds;
    this.#org.changes++;
    this.#wake();
  }

  /** Responds to a request over REST: the option `fetch` of clients. */
  readonly fetch = (async (url: string, init: RequestInit = {}): Promise<Response> => {
    await Promise.resolve();
    init.signal?.throwIfAborted();
    const failure = this.#failures.shift();
    if (failure) {
      const { status = 503, code = "UNAVAILABLE", retryAfter } = failure;
      return responseOf(new Refusal(status, code, "refused by the test", retryAfter));
    }
    try {
      const result = await this.#respond(new URL(url), init);
      if (this.#lost > 0) {
        this.#lost--;
        throw new TypeError("the fake server lost the response");
      }
      return new Response(result, { headers: { "Content-Type": "application/json" } });
    } catch (error) {
      if (error instanceof Refusal) {
        return responseOf(error);
      }
      throw error;
    } finally {
      this.#sockets.forEach((socket) => socket.wake());
      this.#wake();
    }
  }) as typeof fetch;

  /** Executes a request. A claim that waits is executed again when a delivery may have become ready. */
  async #respond(url: URL, init: RequestInit): Promise<string> {
    const claims = url.pathname.endsWith("/inbox/claim") && typeof init.body === "string";
    const { wait_seconds = 0 } = claims ? (JSON.parse(init.body as string) as Value) : {};
    for (let over = !(wait_seconds > 0); ; ) {
      const result = this.#execute(url, init);
      if (over || result !== '{"items":[]}') {
        return result;
      }
      over = await this.#changed(wait_seconds, init.signal);
    }
  }

  /** Waits until something changes. Returns true if nothing did for some seconds. */
  #changed(seconds: number, signal: AbortSignal | null | undefined): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
        this.#waiting.delete(wake);
        settle();
      };
      const wake = () => end(() => resolve(false));
      const abort = () => end(() => reject(signal!.reason));
      const timer = setTimeout(() => end(() => resolve(true)), seconds * 1000);
      signal?.addEventListener("abort", abort);
      this.#waiting.add(wake);
    });
  }

  /** Lets the claims that wait look again, if a delivery may have become ready. */
  #wake(): void {
    if (this.#seen !== this.#org.changes) {
      this.#seen = this.#org.changes;
      [...this.#waiting].forEach((wake) => wake());
    }
  }

  #execute(url: URL, { method = "GET", headers, body }: RequestInit): string {
    const given = new Headers(headers);
    const bot = this.#org.authenticate(given.get("Authorization")?.replace(/^Bearer /, "") ?? "");
    const revisions = given.get("If-Match")?.match(/\d+/g)?.map(Number);
    const query: Value = {};
    url.searchParams.forEach((value, name) => (query[name] = value));
    const fields: Value = {
      ...query,
      ...(typeof body === "string" && (JSON.parse(body) as Value)),
      ...(revisions && { expected_revisions: revisions }),
    };
    const path = url.pathname.split("/").slice(2).map(decodeURIComponent);
    return this.#org.call(bot, method, path, fields);
  }

  /** What a socket needs of the server. */
  readonly #connection: Connection = {
    open: (socket) => this.#sockets.add(socket),
    closed: (socket) => this.#sockets.delete(socket),
    start: (position) => (position === null ? this.#org.log.length : this.#org.indexOf(position)),
    after: (index, bot) =>
      this.#org.log.slice(index).flatMap(({ receivers, event }) => (receivers.has(bot) ? (this.#twice ? [event, event] : [event]) : [])),
    end: () => this.#org.log.length,
  };
}

interface Connection {
  open(socket: FakeSocket): void;
  closed(socket: FakeSocket): void;
  /** Returns how many events are before a position. */
  start(position: string | null): number;
  /** Returns the events for a bot after so many. */
  after(index: number, bot: string): object[];
  /** Returns how many events there are. */
  end(): number;
}

/** A WebSocket to the fake server. */
class FakeSocket implements Socket {
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  onerror: Socket["onerror"] = null;
  readonly bot: string;
  #index = 0;
  #woken = false;
  #closed = false;

  constructor(
    private readonly server: Connection,
    url: string,
  ) {
    const query = new URL(url).searchParams;
    this.bot = query.get("ticket")!;
    setTimeout(() => this.#open(query.get("cursor")));
  }

  #open(position: string | null): void {
    if (this.#closed) {
      return;
    }
    this.onopen?.({});
    try {
      this.#index = this.server.start(position);
    } catch (error) {
      return this.end(4009, (error as Refusal).code);
    }
    this.server.open(this);
    this.wake();
  }

  /** Delivers the events that are new, soon. */
  wake(): void {
    if (this.#woken) {
      return;
    }
    this.#woken = true;
    setTimeout(() => {
      this.#woken = false;
      const events = this.server.after(this.#index, this.bot);
      this.#index = this.server.end();
      events.forEach((event) => this.onmessage?.({ data: JSON.stringify(event) }));
    });
  }

  send(data: string): void {
    if ((JSON.parse(data) as Value).type === "ping") {
      queueMicrotask(() => this.onmessage?.({ data: '{"type":"pong"}' }));
    }
  }

  close(): void {
    this.#closed = true;
    this.server.closed(this);
  }

  /** Ends the connection, as the server does. */
  end(code: number, reason: string): void {
    this.close();
    this.onclose?.({ code, reason });
  }
}

function responseOf({ status, code, message, retryAfter }: Refusal): Response {
  return Response.json({ error: message, code, ...(retryAfter !== undefined && { retry_after: retryAfter }) }, { status });
}
