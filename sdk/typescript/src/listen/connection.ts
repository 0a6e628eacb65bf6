// What connections of both kinds have in common.
import type { Clock } from "../clock.js";
import { B2BError } from "../error.js";
import type { Event } from "../gen/rest/types.js";
import type { End } from "./ends.js";

/** Milliseconds within which a connection opens, after which a silent one is given up, between pings. */
export const OPENS_WITHIN = 10_000;
const SILENT_FOR = 60_000;
const PING_EVERY = 25_000;

/** How many characters an event may have. The server sends at most a few MiB (B2B-SDK-040). */
export const LARGEST_EVENT = 64 * 2 ** 20;

/** Returns how a connection ends that brings more than an event may have. */
export function tooLarge(): End {
  const message = `an event has more than ${LARGEST_EVENT} characters`;
  return { action: "backoff", error: new B2BError({ status: 0, code: "EVENT_TOO_LARGE", message }) };
}

/** Receives what a connection brings. */
export interface Sink {
  /** The position after which the connection starts; undefined: at the present. */
  readonly position: string | undefined;
  /** The connection is open. */
  opened(): void;
  /** Takes an event with the length of its text. Returns false if no other may follow before there is room. */
  take(event: Event, length: number): boolean;
  /** Waits for room in the queue, or the end of the listener. */
  room(): Promise<void>;
}

/** Opens a connection, and returns how it ended. An aborted signal ends it at once. */
export type Connect = (sink: Sink, signal: AbortSignal) => Promise<End>;

/** Watches a connection for silence (B2B-SDK-023). */
export class Watch {
  #heard: number;
  #pinged: number;
  #cancel = () => {};

  constructor(
    private readonly clock: Clock,
    private readonly dead: () => void,
    private readonly ping?: () => void,
  ) {
    this.#heard = this.#pinged = clock.now();
    this.#next();
  }

  /** Something arrived. */
  heard(): void {
    this.#heard = this.clock.now();
  }

  stop(): void {
    this.#cancel();
  }

  #next(): void {
    const silent = this.#heard + SILENT_FOR;
    const at = this.ping ? Math.min(silent, this.#pinged + PING_EVERY) : silent;
    this.#cancel = this.clock.after(Math.max(0, at - this.clock.now()), () => {
      if (this.clock.now() >= this.#heard + SILENT_FOR) {
        return this.dead();
      }
      if (this.ping && this.clock.now() >= this.#pinged + PING_EVERY) {
        this.#pinged = this.clock.now();
        this.ping();
      }
      this.#next();
    });
  }
}
