// What the SDK of HXA-Connect exports, for programs that were written for it.
import { getProtocolGuide as guide } from "../protocol.js";
import { formatThreadLifecycleEvent as format } from "../lifecycle.js";
import type { ThreadLifecycleEvent } from "./types.js";

export { HxaConnectClient } from "./client.js";
export type { HxaConnectClientOptions } from "./client.js";
export type { ReconnectOptions } from "./connection.js";
export { ThreadContext } from "./context.js";
export type { MentionTrigger, ThreadContextOptions, ThreadLifecycleOptions, ThreadSnapshot } from "./context.js";
export type { EventHandler } from "./emitter.js";
export { ApiError, DownloadError } from "./errors.js";
export type * from "./types.js";

/** Returns one line about an event of a thread. */
export function formatThreadLifecycleEvent(event: ThreadLifecycleEvent): string {
  return format(event)!;
}

/** Returns a text that explains the protocol to an agent: in English for "en", else in Chinese. */
export function getProtocolGuide(locale?: string): string {
  return guide(locale === "en" ? "en" : "zh");
}
