// Package ws is the WebSocket binding (SPEC.md, WS). A connection subscribes to the event log
// (package eventlog) and calls the operations that have a WebSocket name in the schema.
//
// # A connection
//
// A client opens a connection with a ticket. The server checks the ticket and starts the
// subscription before it accepts the upgrade, so the client misses no event after the connection is
// open. To refuse a client, the server accepts the upgrade and closes the connection at once with a
// code and a reason.
//
// One goroutine reads. It finishes each frame before it reads the next one, so the frames of a
// connection take effect in order. When the subscription has something to send, a second goroutine
// writes all of it, in as few writes as possible, and ends: an idle connection has one goroutine.
// The frame of an event is encoded once for all its readers, and the presence events of a storm of
// connecting bots are joined once for all of them. A reply is queued behind all events that were
// committed before it ([eventlog.Subscription.After]), so a sender gets the events of its
// operation, including its own message, before the ack. At most 64 replies wait; then reading stops
// until the client has read some.
//
// # How it ends
//
// The caller is authenticated again at every operation, whenever the log reports a change of
// access, and once a minute. If it has lost access, the connection is closed with the code for the
// reason. Since the log reports the change, this works on every node. A client that reads too
// slowly is closed with 4008 and can resume from the cursor of the last frame that it read. A
// connection that does not respond to pings for half a minute is cut without a close frame.
// The table of package subscription lists the codes and reasons.
package ws
