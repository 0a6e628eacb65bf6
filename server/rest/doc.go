// Package rest is the REST binding: HTTP requests to messages of the schema and
// back. It is driven by what the schema declares (google.api.http and the b2b
// options) and holds no rule of the protocol.
//
// A request passes these stages, and the first that refuses answers:
//
//  1. CORS: preflights are answered, allowed origins are marked.
//  2. Body: JSON is read whole, at most 1 MiB, and must be well formed.
//  3. Routing, by segments; what names no operation is refused after
//     authentication, so that strangers learn nothing about paths.
//  4. The message: path variables, then query or body, then headers. What does not
//     fit the schema is told by the pipeline once the caller may call at all.
//  5. The pipeline, which runs the service method.
//  6. The answer: status, ETag, cookie and body as the schema says.
package rest
