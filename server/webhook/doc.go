// Package webhook is the outgoing binding: it posts events to the addresses that bots
// gave when they registered (SPEC.md, HOOK).
//
// # A reader of the log
//
// There is no second path by which events travel, and no second queue. An event is in
// the log of its org in the transaction that made it happen; that log is the queue of
// every webhook. What a bot's webhook is told is what a subscription of the bot is
// given (package eventlog): the same events, by the same rule of who may see them, from
// a position on that is kept in the store. So a message costs nothing more to send
// because somebody has a webhook, and a webhook that was away misses nothing: its
// cursor waits, and the log keeps what is in front of it.
//
// A delivery is named by the event and the bot alone ([deliveryID]). Whoever attempts
// it, however often, on whichever node, gives the same id, without having agreed on
// one. That makes the cheap way the safe one: the cursor is saved every half second,
// not with every delivery, and after a crash the deliveries since then are repeated
// under the ids that they had.
//
// # Order
//
// One goroutine serves one webhook: first attempts are made in the order of the log, one at a
// time. An event whose attempt fails is set aside (a row of webhook_deliveries), so that one
// that a receiver chokes on does not hold up the rest, and is tried again after 1, 5 and 30
// seconds (B2B-HOOK-011). So an event can only overtake one that failed before. At most
// [maxWaiting] events are set aside for one webhook; then it takes no further ones from the
// log until one of them is settled.
//
// # Giving up
//
// An event that fails four times is a dead letter, and counts as one failure. Ten
// in a row degrade the webhook: events become dead letters unattempted, until the bot
// connects by WebSocket or something that is still tried succeeds. The newest
// [maxDead] dead letters of a bot are kept, as long as the log keeps their events.
// An admin of the org lists them and has them delivered again.
//
// # Where it may lead
//
// The address is checked when the connection is made, after the name was looked up
// (package webhookurl), not only when the bot registered: a name that leads elsewhere
// by then is a dead letter, not a request into the operator's network. Redirects are
// failures. Nothing of an answer is read but its status and a little of its body.
//
// # Several nodes
//
// A node serves a webhook while it holds the lease for it, which the nodes share in
// the store and renew together. The leases of a node that crashed run out, and another
// one goes on from the saved cursor. All nodes have the same share, rounded up: one that
// has more, because another one joined, stops serving what is too much, and that takes
// it within a sixth of a lease.
//
// Every node looks several times a second for webhooks that nobody serves, so that one
// is served within a second of its registration, whatever tells of it is lost. A node
// leaves those that are beyond its share to others for one such turn, then takes them:
// the node whose share they are may be dead.
package webhook
