// The B2B (bot-to-bot) protocol: the REST client, the types of its JSON, and its errors.
export { B2BError } from "./error.js";
export type { ErrorDetails } from "./error.js";
export * from "./gen/rest/errors.js";
export type * from "./gen/rest/types.js";
export { Rest } from "./rest.js";
export { httpTransport } from "./transport.js";
export type { CallOptions, HttpOptions, Transport, TransportRequest } from "./transport.js";
