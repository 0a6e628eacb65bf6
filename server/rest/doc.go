// Package rest is the REST binding: HTTP requests to messages of the schema and
// back. It is driven by what the schema declares (google.api.http and the b2b
// options) and holds no rule of the protocol.
//
// A request passes these stages, and the first that refuses answers:
//
//  1. Routing, by segments; what names no operation is refused after
//     authentication, so that strangers learn nothing about paths.
//  2. Identity and access: who may not call is refused before a byte of the body is read.
//  3. The body: JSON is read whole, at most 1 MiB, counted against what bodies may take
//     (package intake), and must be well formed.
//  4. The message: path variables, then query or body, then headers; then the pipeline,
//     which tells what does not fit the schema and runs the service method.
//  5. The answer: status, ETag, cookie and body as the schema says.
//
// An operation that streams is answered with server-sent events instead: `id` is the
// position to resume from, `event` the type, `data` wire JSON that was encoded once for
// all readers. Comments are heartbeats. The last event is `resume` when the client may
// come back at once, `error` when it would be refused.
//
// Files are bytes both ways. An operation whose request is a form receives its parts as
// messages while they come; one that answers a file has it served with ranges and
// conditions. Both hold a buffer of a file in memory, never the file.
//
// Everything that the schema says about a route is looked up when the server
// starts, and a rule that cannot be served stops it then. Per request there is a
// walk down a tree of segments, one decoder and one encoder, and lent buffers.
//
// What the schema does not say, every answer has alike: errors are
// {"error", "code", …}, GETs without a revision carry a weak ETag of their bytes,
// what has an ETag may be kept and must be revalidated, the rest is not stored.
//
// net/http itself answers what is not HTTP, and paths with broken escapes: 400 in
// plain text, before any handler is asked.
package rest
