// How a listener listens.
import type { Clock } from "../clock.js";
import type { Event } from "../gen/rest/types.js";
import type { PositionStore } from "./positions.js";
import type { SocketClass } from "./websocket.js";

/**
 * Events were missed: the position of the listener is not kept any more, or the log is another. Read
 * what you need to know from the server; the events after it follow.
 */
export interface ResyncEvent {
  type: "resync";
  reason: "CURSOR_EXPIRED" | "CURSOR_AHEAD" | "EPOCH_CHANGED";
  /** The position at which the listener continues. */
  cursor?: string;
}

/** What a listener delivers. Later servers may send other types of events. */
export type ListenEvent = Event | ResyncEvent;

/** Options of a listener. */
export interface ListenOptions {
  /** Where to start: a position, or "now". Default: that of the store, or else the present. */
  position?: string | undefined;
  /** Keeps the position, so that a later listener continues there. Default: it is not kept. */
  positions?: PositionStore | undefined;
  /** The key of the position in the store. Default: "b2b". */
  key?: string | undefined;
  /**
   * "next": an event is committed when the next one is asked for, or its handler returns; "manual":
   * when `commit` is called. Default: "next".
   */
  commit?: "next" | "manual" | undefined;
  /** Only events of these types. */
  types?: Event["type"][] | undefined;
  /** Only events of these threads, and those of no thread or channel. Over server-sent events. */
  threadIds?: string[] | undefined;
  /** Only events of these channels, and those of no thread or channel. Over server-sent events. */
  channelIds?: string[] | undefined;
  /** "auto": a WebSocket, or server-sent events where there is none or its upgrade fails. Default: "auto". */
  transport?: "auto" | "websocket" | "sse" | undefined;
  /** The class of WebSockets. Default: the global one. Node 20 has none: give that of the package `ws`. */
  WebSocket?: SocketClass | undefined;
  /** Closes the listener. */
  signal?: AbortSignal | undefined;
  /**
   * Is called with what goes wrong and does not end the listener: an error of a handler, with the
   * event; of a store, which ends the listener if this option is not set.
   */
  onError?: ((error: unknown, event?: ListenEvent) => void) | undefined;
  /** Is called before a connection is tried again, with why and after how many milliseconds. */
  onReconnect?: ((error: unknown, pause: number) => void) | undefined;
  /** `run`: how often an event is handled again after an error, before it is skipped. Default: 3. */
  attempts?: number | undefined;
  /** Replaces time and chance in tests. */
  clock?: Clock | undefined;
}

/** Handles one event. */
export type Handler = (event: ListenEvent) => unknown;
