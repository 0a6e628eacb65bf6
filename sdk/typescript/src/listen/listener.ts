// The listener: events of any number of connections as one sequence.
import { jittered, sleep, systemClock, type Clock } from "../clock.js";
import { B2BError } from "../error.js";
import { listCatchupEvents } from "../gen/rest/operations.js";
import type { Event } from "../gen/rest/types.js";
import type { Transport } from "../transport.js";
import type { Connect, Sink } from "./connection.js";
import { FIRST_PAUSE, MOST_PAUSE, ofRefusal, pauseAfter, type End } from "./ends.js";
import type { Handler, ListenEvent, ListenOptions, ResyncEvent } from "./options.js";
import { memoryPositions, Saver } from "./positions.js";
import { Queue } from "./queue.js";
import { overSse } from "./sse.js";
import { overWebSocket, type SocketClass } from "./websocket.js";

/** Milliseconds after which a connection counts as stable. */
const STABLE_AFTER = 10_000;
/** A time after which nothing is listed, so that only the position is answered: the end of 9999. */
const END_OF_TIME = 253_402_214_400_000;
/** How many of the latest positions are known, to drop frames that are repeated. */
const KNOWN = 2048;

/** Makes `await using` close a listener, if the types of the program have it. */
type Disposable = SymbolConstructor extends { readonly asyncDispose: infer Key extends symbol } ? { [K in Key]: () => Promise<void> } : object;

export interface Listener extends Disposable {}

/**
 * Delivers events, in order and each once, over any number of connections. Iterate over it once, or
 * give a handler to `run`.
 */
export class Listener implements AsyncIterableIterator<ListenEvent, undefined> {
  /** Resolves when events that happen later will be delivered, and rejects if the listener ends before. */
  readonly ready: Promise<void>;

  readonly #options: ListenOptions;
  readonly #clock: Clock;
  readonly #transport: Transport;
  readonly #controller = new AbortController();
  readonly #queue = new Queue<ListenEvent>();
  readonly #saver: Saver;
  readonly #orders = new WeakMap<object, number>();
  readonly #known = new Set<string>();
  readonly #work: Promise<void>;
  readonly #over: { websocket: Connect | undefined; sse: Connect };
  #settle: { resolve(): void; reject(error: unknown): void } | undefined;
  /** The position after the last event that was received; undefined: the present. */
  #received: string | undefined;
  #missed: ResyncEvent["reason"] | undefined;
  #failure: { error: unknown } | undefined;
  #delivered: ListenEvent | undefined;
  #count = 0;
  #committed = 0;

  /** Use `client.listen`. The transport sends each request once, since the listener repeats them. */
  constructor(base: string, transport: Transport, options: ListenOptions = {}) {
    const { clock = systemClock, positions = memoryPositions(), key = "b2b", signal } = options;
    const { types, threadIds: thread_ids, channelIds: channel_ids } = options;
    const filtered = (thread_ids ?? channel_ids) !== undefined;
    const WebSocket = options.WebSocket ?? (globalThis as { WebSocket?: SocketClass }).WebSocket;
    if (options.transport === "websocket" && (!WebSocket || filtered)) {
      throw new TypeError("there is no WebSocket, or it cannot select threads and channels: use another transport");
    }
    const { asyncDispose } = Symbol as { asyncDispose?: symbol };
    if (asyncDispose) {
      Object.defineProperty(this, asyncDispose, { value: () => this.close() });
    }
    this.#options = options;
    this.#clock = clock;
    this.#transport = transport;
    this.#over = {
      websocket: options.transport === "sse" || filtered || !WebSocket ? undefined : overWebSocket(base, transport, clock, WebSocket),
      sse: overSse(transport, clock, { types, thread_ids, channel_ids }),
    };
    this.#saver = new Saver(positions, key, (error) => this.#report(error));
    this.ready = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
    this.ready.catch(() => {}); // the iteration has the error
    const close = () => this.#end(undefined);
    signal?.addEventListener("abort", close);
    this.#work = this.#listen()
      .catch((error: unknown) => this.#end(error)) // nothing, if it is closed
      .finally(() => signal?.removeEventListener("abort", close));
    if (signal?.aborted) {
      close();
    }
  }

  /** The position of the newest committed event. */
  get position(): string | undefined {
    return this.#saver.position;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Commits the event before, and returns the next one. */
  async next(): Promise<IteratorResult<ListenEvent, undefined>> {
    if (this.#delivered && this.#options.commit !== "manual") {
      this.commit(this.#delivered);
    }
    this.#delivered = undefined;
    if (!this.#controller.signal.aborted || (this.#failure && this.#queue.length > 0)) {
      const result = await this.#queue.take();
      if (!result.done) {
        this.#delivered = result.value;
        this.#orders.set(result.value, ++this.#count);
        return result;
      }
    }
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) {
      throw failure.error;
    }
    await this.#saver.flush();
    return { done: true, value: undefined };
  }

  /** Closes the listener: what `break` in a loop calls. The last event is not committed. */
  async return(): Promise<IteratorResult<ListenEvent, undefined>> {
    this.#delivered = undefined;
    await this.close();
    return { done: true, value: undefined };
  }

  /** Commits an event that was delivered, and all before it. An older one than the newest changes nothing. */
  commit(event: ListenEvent): void {
    const order = this.#orders.get(event);
    if (order === undefined) {
      throw new TypeError("this listener did not deliver the event");
    }
    if (order > this.#committed && event.cursor !== undefined) {
      this.#committed = order;
      this.#saver.set(event.cursor);
    }
  }

  /** Ends everything at once, and saves the position. */
  async close(): Promise<void> {
    this.#end(undefined);
    await this.#work;
    await this.#saver.flush();
  }

  /**
   * Calls a handler with each event, one after the other, until the listener is closed. An error of the
   * handler is reported to `onError`, and the event is handled again.
   */
  async run(handler: Handler): Promise<void> {
    const { attempts = 3, onError = (error: unknown) => console.error("an event was not handled:", error) } = this.#options;
    try {
      for await (const event of this) {
        for (let failures = 0; ; failures++) {
          try {
            await handler(event);
            break;
          } catch (error) {
            onError(error, event);
          }
          if (failures >= attempts) {
            this.commit(event);
            break;
          }
          await sleep(this.#clock, jittered(this.#clock, FIRST_PAUSE, MOST_PAUSE, failures), this.#controller.signal);
        }
      }
    } catch (error) {
      if (!this.#controller.signal.aborted || error !== this.#controller.signal.reason) {
        throw error;
      }
    } finally {
      await this.close();
    }
  }

  /** Ends the listener: with an error, which the consumer gets after the events before it, or without. */
  #end(error: unknown): void {
    if (this.#controller.signal.aborted) {
      return;
    }
    if (error !== undefined) {
      this.#failure = { error };
    }
    this.#controller.abort(new Error("the listener is closed"));
    this.#settle?.reject(error ?? this.#controller.signal.reason);
    this.#queue.end();
  }

  #report(error: unknown): void {
    if (this.#options.onError) {
      this.#options.onError(error);
    } else {
      this.#end(error);
    }
  }

  /** Opens one connection after the other. */
  async #listen(): Promise<void> {
    const { signal } = this.#controller;
    const { position } = this.#options;
    const stored = position === undefined ? await this.#saver.load() : undefined;
    this.#received = position === "now" ? undefined : (position ?? stored);
    let failures = 0;
    let lastAtOnce = -Infinity;
    let mute = 0;
    let noUpgrades = false;
    while (!signal.aborted) {
      let openedAt = Infinity;
      const connect = (!noUpgrades && this.#over.websocket) || this.#over.sse;
      const end = await this.#connect(connect, () => (openedAt = this.#clock.now()));
      if (signal.aborted) {
        return;
      }
      const now = this.#clock.now();
      if (now - openedAt >= STABLE_AFTER) {
        failures = 0;
      }
      if (this.#options.transport !== "websocket") {
        mute = end.broken === "mute" ? mute + 1 : 0;
        if (end.broken === "refused" || mute === 2) {
          noUpgrades = true;
        } else if (now - openedAt >= 6 * STABLE_AFTER) {
          noUpgrades = false; // a stable stream: WebSockets may work again
        }
      }
      if (end.action === "stop") {
        throw end.error;
      }
      if (end.action === "full") {
        await this.#queue.room(signal);
        continue;
      }
      if (end.action === "resync") {
        this.#missed = (end.error as B2BError).code as ResyncEvent["reason"];
        this.#received = undefined;
        this.#known.clear();
      }
      const atOnce = (end.action === "reconnect" || end.action === "resync") && now - lastAtOnce >= STABLE_AFTER;
      if (atOnce) {
        lastAtOnce = now;
      }
      const pause = atOnce ? 0 : pauseAfter(end, this.#clock, failures);
      failures += atOnce ? 0 : 1;
      this.#options.onReconnect?.(end.error, pause);
      if (!atOnce) {
        await sleep(this.#clock, pause, signal);
      }
    }
  }

  /** Opens a connection after the last event that was received, and returns how it ended. */
  async #connect(connect: Connect, opened: () => void): Promise<End> {
    const { signal } = this.#controller;
    try {
      if (this.#received === undefined) {
        this.#received = await this.#present();
      }
    } catch (error) {
      return ofRefusal(error);
    }
    if (this.#missed) {
      const cursor = this.#received;
      this.#queue.push({ type: "resync", reason: this.#missed, ...(cursor !== undefined && { cursor }) }, 0);
      this.#missed = undefined;
    }
    const sink: Sink = {
      position: this.#received,
      opened: () => {
        opened();
        this.#settle?.resolve();
      },
      take: (event, length) => this.#take(event, length),
      room: () => this.#queue.room(signal),
    };
    return await connect(sink, signal);
  }

  /** Returns the present position of the log; undefined if the token may not read it. */
  async #present(): Promise<string | undefined> {
    try {
      const { stream_cursor } = await listCatchupEvents(this.#transport, { since: END_OF_TIME, limit: 1 }, { timeout: 10_000, signal: this.#controller.signal });
      return stream_cursor;
    } catch (error) {
      if (error instanceof B2BError && error.code === "INSUFFICIENT_SCOPE") {
        return undefined;
      }
      throw error;
    }
  }

  /** Takes an event of a connection. Returns false if the queue is full. */
  #take(event: Event, length: number): boolean {
    const { cursor } = event;
    if (cursor !== undefined) {
      if (this.#known.has(cursor)) {
        return !this.#queue.full; // repeated
      }
      this.#known.add(cursor);
      if (this.#known.size > KNOWN) {
        this.#known.delete(this.#known.values().next().value!);
      }
      this.#received = cursor;
    }
    if (!this.#options.types || this.#options.types.includes(event.type)) {
      this.#queue.push(event, length);
    }
    return !this.#queue.full;
  }
}
