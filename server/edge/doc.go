// Package edge is what stands before every binding (REST, Connect, gRPC, gRPC-web,
// WebSocket, files), so that all have the same rules for whoever comes over the network.
//
// [Listener] bounds connections: how many there are, how many of them belong to
// strangers, and how many strangers come from one address. A stranger is a connection on
// which nobody has proved who they are; when places run out, strangers that do nothing
// go first, so that callers with a credential still get in.
//
// Time is bounded by progress. What a stranger leaves unfinished (headers, a body, an
// answer that is not read, a connection without a request) is cut within 15 seconds,
// whatever it is. A caller who has proved who they are must keep the pace of Limits, both
// with what it sends and with what it is sent; only answers without an end of their own,
// such as streams of events, may be taken as slowly as their progress allows.
// On HTTP/1 a request has its connection to itself and the connection is timed. On HTTP/2
// each stream is timed, and the connection besides.
//
// No request has a goroutine or a timer of its own for this on HTTP/1: the deadlines are
// those of the network connection, moved only when little is left of them, and one
// goroutine looks through all connections once a second.
//
// [Handler] does what all paths have alike: CORS, OPTIONS, the path prefix, who takes the
// path, and JSON errors for what nobody takes.
package edge
