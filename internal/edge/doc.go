// Package edge is the outermost layer of the server, in front of every binding (REST, Connect,
// gRPC, gRPC-web, WebSocket, files), so that the same network rules apply to all of them.
//
// [Listener] limits connections: their number, how many of them are anonymous, and how many
// anonymous ones come from one address. A connection is anonymous until a caller has authenticated
// on it. When the connections run out, anonymous ones without a request are closed first, so that
// callers with a credential can still connect.
//
// Progress limits time. What an anonymous caller leaves unfinished (headers, a body, a response
// that it does not read, a connection without a request) is cut within 15 seconds. An authenticated
// caller must keep the pace of [Limits], both when it sends and when it reads; only endless
// responses, such as event streams, may be read at any pace, as long as there is progress. On
// HTTP/1 a request has its connection to itself and the connection is timed. On HTTP/2 each stream
// is timed, and the connection as well.
//
// On HTTP/1 this needs no goroutine and no timer per request: it uses the deadlines of the network
// connection, which are moved only when needed, and one goroutine that inspects all connections
// once a second.
//
// [Handler] does what is the same for all paths: CORS, OPTIONS, the path prefix, the choice of the
// binding, and JSON errors for requests that no binding takes.
package edge
