// Package rest is the REST binding: it converts HTTP requests to messages of the schema, and
// messages to HTTP responses. It follows what the schema declares (google.api.http and the b2b
// options) and contains no protocol rules.
//
// A request passes these stages; the first stage that refuses it writes the response:
//
//  1. Routing by path segments. A path without an operation is refused only after authentication, so that unauthenticated callers learn nothing about paths.
//  2. Authentication and authorization, before a byte of the body is read.
//  3. The body: JSON of at most 1 MiB, counted against the memory for bodies (package intake), which must be well formed.
//  4. The message: path variables, then the query or the body, then headers. The pipeline reports what does not fit the schema and calls the service method.
//  5. The response: status, ETag, cookie and body as the schema declares.
//
// The response of a streaming operation is server-sent events: `id` is the position to resume from,
// `event` the type, and `data` the wire JSON, which is encoded once for all readers. Comments are
// heartbeats. The last event is `resume` if the client may reconnect at once, and `error` if it
// would be refused.
//
// Files are streamed in both directions. An operation whose request is a form receives the parts as
// messages while they arrive. An operation that sends a file supports ranges and conditional
// requests. Both keep only a buffer of the file in memory.
//
// Routes are built from the schema when the server starts; an invalid rule is an error then. A
// request takes one walk down a tree of segments, one decoder, one encoder and pooled buffers.
//
// Some rules are the same for all responses: errors are {"error", "code", …}; a GET without a
// revision has a weak ETag computed from its bytes; a response with an ETag may be cached and must
// be revalidated; all others must not be stored.
//
// net/http itself responds to input that is not HTTP and to paths with invalid escapes: with 400
// and plain text, before any handler runs.
package rest
