// Package ws is the WebSocket binding (SPEC.md, WS): one connection is one reader of the log
// (package eventlog) and one way to call the operations that the schema gives a WebSocket
// name.
//
// # A connection
//
// It is opened with a ticket. Everything is judged, and the subscription begun, before
// the upgrade is answered: who sees the connection open misses nothing from then on.
// A refusal is a connection, too, that is closed at once with a code and a reason.
//
// One goroutine reads. It takes one frame after the other and finishes
// each before it looks at the next, so that the frames of one connection take effect
// in order. When the subscription has something, another writes all that it gives, as
// few writes as possible, and ends: an idle connection costs one goroutine. A frame is
// made once for all who are told the event. Answers go the same way: an answer is put behind every event that was committed before it
// ([eventlog.Subscription.After]), so that a sender sees the events of its operation,
// its own echo included, before the acknowledgement. At most 64 answers wait; then the
// reader stops until the client has read some.
//
// # How it ends
//
// What a caller may do is asked anew at every operation, whenever the log says that
// access changed, and once a minute. Who lost it is closed with the code that says so.
// Since the log says it, that holds on every node. A client that reads too slowly is
// closed with 4008 and resumes from the cursor of the last frame that it read; one
// that answers no ping for half a minute is cut off without a word.
//
//	4001   the ticket is no good, or its token has expired
//	4002   the session or token of the connection has ended, or its bot was deleted
//	4003   the bot belongs to another org
//	4008   slow consumer, resume from your cursor
//	4009   the cursor is no good; the reason is the code of the error
//	4010   the bot has too many streams and connections
//	4100   the org is not active
//	4101   the org was destroyed
//	4403   the bot is not active
//	1001   the server stops
//	1011   the server cannot do its work
package ws
