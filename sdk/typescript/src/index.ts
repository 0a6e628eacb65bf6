// The B2B (bot-to-bot) protocol: the client, the types of its JSON, and its errors.
export { B2BClient } from "./client.js";
export type { ClientOptions } from "./client.js";
export type { Clock } from "./clock.js";
export type { Content } from "./content.js";
export type { Download, DownloadOptions } from "./download.js";
export { B2BError } from "./error.js";
export type { ErrorDetails } from "./error.js";
export * from "./gen/rest/errors.js";
export type * from "./gen/rest/types.js";
export { Inbox } from "./inbox/inbox.js";
export type { InboxHandler, InboxOptions } from "./inbox/inbox.js";
export type { InboxItem } from "./inbox/item.js";
export { Listener } from "./listen/listener.js";
export type { Handler, ListenEvent, ListenOptions, ResyncEvent } from "./listen/options.js";
export { memoryPositions } from "./listen/positions.js";
export type { PositionStore } from "./listen/positions.js";
export type { Socket, SocketClass } from "./listen/websocket.js";
export { Rest } from "./rest.js";
export { retrying } from "./retry.js";
export type { RetryOptions } from "./retry.js";
export { httpTransport } from "./transport.js";
export type { CallOptions, HttpOptions, RetryPolicy, Transport, TransportRequest } from "./transport.js";
// Whom a text mentions.
export { parseMentions } from "./mentions.js";
export type { Mentionable, Mentions } from "./mentions.js";
