// A worker of an inbox: it claims deliveries, and settles them when the program has acted on them.
import { sleep, systemClock, type Clock } from "../clock.js";
import { claimInbox } from "../gen/rest/operations.js";
import type { ClaimInboxRequest, DeliveryKind, NackDeliveryRequest } from "../gen/rest/types.js";
import { ofRefusal, pauseAfter } from "../listen/ends.js";
import { newRequestId } from "../retry.js";
import type { Transport } from "../transport.js";
import { InboxItem, type InboxClient, type Keeper } from "./item.js";

/** Seconds that a claim waits for a delivery. */
const WAIT = 30;
/** Milliseconds that a worker may take longer to stop, when nothing answers. */
const LATER = 5_000;
/** What the server takes: deliveries of one claim, and UTF-16 code units of a reason. */
const MOST = 100;
const LONGEST_REASON = 1024;

/** Options of a worker. */
export interface InboxOptions {
  /** `run`: how many deliveries are handled at the same time. Default: 1. */
  concurrency?: number | undefined;
  /** Seconds of a lease, which is extended after a third of them. Default: 60. */
  leaseSeconds?: number | undefined;
  /** Only deliveries of these kinds. */
  kinds?: DeliveryKind[] | undefined;
  /** Only deliveries of this thread. */
  threadId?: string | undefined;
  /** Each with its thread, and what happened there since the bot last settled something. */
  context?: boolean | undefined;
  /** Also several of one thread or channel at the same time. */
  unordered?: boolean | undefined;
  /** The first claim of the bot: how many seconds back the inbox begins. Default: a day. */
  backlogSeconds?: number | undefined;
  /** Stops the worker. */
  signal?: AbortSignal | undefined;
  /**
   * Is called with what goes wrong and does not end the worker: an error of a handler, an answer that
   * failed, a lease that was lost, each with the item; a claim that failed, without. Default: it is
   * logged.
   */
  onError?: ((error: unknown, item?: InboxItem) => void) | undefined;
  /** Replaces time and chance in tests. */
  clock?: Clock | undefined;
}

/** Handles one delivery. It is settled afterwards if the handler has not answered it. */
export type InboxHandler = (item: InboxItem) => unknown;

/**
 * Claims deliveries of the own inbox. A loop over it gets one after the other: each is settled when the
 * loop asks for the next one, and given back when it is left. `run` calls a handler, for several at the
 * same time if the option `concurrency` says so.
 */
export class Inbox implements AsyncIterable<InboxItem> {
  readonly #transport: Transport;
  readonly #options: InboxOptions;
  readonly #keeper: Keeper;
  readonly #controller = new AbortController();
  readonly #open = new Set<InboxItem>();
  #failure: { error: unknown } | undefined;

  /** Use `client.inbox`. The transport sends each claim once, since the worker repeats them. */
  constructor(client: InboxClient, transport: Transport, options: InboxOptions = {}) {
    const { concurrency = 1, leaseSeconds = 60, clock = systemClock } = options;
    if (!(Number.isInteger(concurrency) && concurrency >= 1 && leaseSeconds >= 1)) {
      throw new TypeError("concurrency and leaseSeconds must be whole numbers from 1 on");
    }
    this.#transport = transport;
    this.#options = options;
    this.#keeper = {
      client,
      clock,
      leaseSeconds,
      over: (item) => this.#open.delete(item),
      report: (error, item) => this.#report(error, item),
    };
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<InboxItem, void, undefined> {
    const end = this.#begin();
    let item: InboxItem | undefined;
    try {
      while (([item] = await this.#claim(1)) && item) {
        yield item;
        await item.finish();
      }
    } finally {
      end();
      await item?.finish({ retry_in_seconds: 0 }); // the loop was left
    }
    this.#check();
  }

  /**
   * Calls a handler with each delivery until the worker is stopped, and ends when all handlers have. An
   * error of a handler is reported to `onError`, and the delivery is given back.
   */
  async run(handler: InboxHandler): Promise<void> {
    const { concurrency = 1 } = this.#options;
    const end = this.#begin();
    const running = new Set<Promise<void>>();
    try {
      for (;;) {
        while (running.size >= concurrency) {
          await Promise.race(running);
        }
        const items = await this.#claim(concurrency - running.size);
        if (items.length === 0) {
          break;
        }
        for (const item of items) {
          const task = this.#handle(handler, item).finally(() => running.delete(task));
          running.add(task);
        }
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      await Promise.all(running);
      end();
    }
    this.#check();
  }

  /** Stops the worker: it claims nothing more, and the signals of its items are aborted. A loop and `run` end. */
  stop(reason: unknown = new Error("the worker is stopped")): void {
    this.#controller.abort(reason);
    this.#open.forEach((item) => item.stop(this.#controller.signal.reason));
  }

  /** Follows the signal of the options. Returns what ends this. */
  #begin(): () => void {
    const { signal } = this.#options;
    const stop = () => this.stop(signal!.reason);
    signal?.addEventListener("abort", stop);
    if (signal?.aborted) {
      stop();
    }
    return () => signal?.removeEventListener("abort", stop);
  }

  async #handle(handler: InboxHandler, item: InboxItem): Promise<void> {
    try {
      await handler(item);
    } catch (error) {
      const ended = item.signal.aborted && error === item.signal.reason; // it failed because the worker stops, or the delivery is lost
      await item.finish({ reason: textOf(error), retry_in_seconds: ended ? 0 : undefined });
      return ended ? undefined : this.#report(error, item);
    }
    await item.finish();
  }

  /** Claims deliveries, and waits for one. Returns none when the worker is stopped. */
  async #claim(free: number): Promise<InboxItem[]> {
    const { kinds, threadId: thread_id, context, unordered, backlogSeconds: backlog_seconds } = this.#options;
    const { clock, leaseSeconds: lease_seconds } = this.#keeper;
    const { signal } = this.#controller;
    const about = { max: Math.min(MOST, free), lease_seconds, wait_seconds: WAIT, kinds, thread_id, context, unordered, backlog_seconds };
    let request_id = newRequestId();
    for (let failures = 0; !signal.aborted; ) {
      try {
        const { items } = await claimInbox(this.#transport, { ...about, request_id }, { signal });
        if (items.length > 0) {
          return await this.#take(items.map((delivery) => new InboxItem(this.#keeper, delivery, failures > 0)));
        }
        failures = 0;
        request_id = newRequestId();
      } catch (error) {
        if (signal.aborted) {
          await this.#takeBack({ ...about, request_id, wait_seconds: 0 });
          break;
        }
        const end = ofRefusal(error); // what was handed out and not received has the same request_id
        if (end.action === "stop") {
          throw error;
        }
        this.#report(error);
        await sleep(clock, pauseAfter(end, clock, failures++), signal).catch(() => {}); // it is stopped
      }
    }
    return [];
  }

  /** Gives back what a claim took that the worker has given up on, without a response (B2B-DLV-008). */
  async #takeBack(claim: ClaimInboxRequest): Promise<void> {
    try {
      const { items } = await claimInbox(this.#transport, claim, { timeout: LATER });
      await this.#take(items.map((delivery) => new InboxItem(this.#keeper, delivery, true)));
    } catch (error) {
      this.#report(error); // the leases end by themselves
    }
  }

  /** Returns the items, or gives them back if the worker was stopped meanwhile. */
  async #take(items: InboxItem[]): Promise<InboxItem[]> {
    items.forEach((item) => this.#open.add(item));
    if (!this.#controller.signal.aborted) {
      return items;
    }
    await Promise.all(items.map((item) => item.finish({ retry_in_seconds: 0 })));
    return [];
  }

  #report(error: unknown, item?: InboxItem): void {
    const { onError = (error: unknown) => console.error("a worker of the inbox:", error) } = this.#options;
    try {
      onError(error, item);
    } catch (failure) {
      this.#fail(failure);
    }
  }

  /** Ends the worker with an error. */
  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.stop();
  }

  #check(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) {
      throw failure.error;
    }
  }
}

/** Returns the text of an error, as long as a reason may be. */
function textOf(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error);
  return text.replaceAll("\0", "").slice(0, LONGEST_REASON).replace(/[\ud800-\udbff]$/, "");
}
