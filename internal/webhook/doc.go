// Package webhook is the outgoing binding: it posts events to the webhooks of bots (SPEC.md, HOOK).
//
// # A reader of the log
//
// The log of an org is the queue of its webhooks. A webhook receives what a subscription of its
// bot receives (package eventlog): the same events by the same rule of visibility, after a
// position in the store. So a webhook adds no cost to sending a message, and one that was not
// served misses nothing: its position is kept, and the log keeps the events after it.
//
// The id of a delivery depends on the event and the bot alone ([deliveryID]). So every attempt,
// on any node, has the same id. This makes it safe to save the position every half second
// instead of with every delivery: after a crash the deliveries since the last save are repeated
// with the same ids.
//
// # Order
//
// One goroutine serves one webhook. It makes first attempts one at a time, in the order of the
// log. An event with a failed attempt is set aside (a row of webhook_deliveries), so that it
// does not delay later events, and is retried after 1, 5 and 30 seconds (B2B-HOOK-011). So an
// event can overtake only events that have failed. At most [maxSetAside] events of a webhook are
// set aside; then it reads no more of the log until one of them is settled.
//
// # Dead letters
//
// An event that fails four times becomes a dead letter, and counts as one failure. Ten failures in
// a row degrade the webhook. Its events then become dead letters without an attempt, until the
// bot connects by WebSocket or a retry succeeds. The newest [maxDead] dead letters of a bot are
// kept while the log has their events. An org admin can list and redeliver them.
//
// # Addresses
//
// The address is checked after the DNS look-up of each connection (package webhookurl), not only
// at registration. So a name that later resolves to the operator's network causes a dead letter
// and no request. Redirects are failures. Of a response only the status and a little of the body
// are read.
//
// # Push configs
//
// A client of A2A can have the state of a task posted (B2B-A2A-018). A push config is served as a
// webhook is: by a reader of the log ([pusher]) that one node holds, over the same connections, in the
// same places. But what is posted is not the event: it is the task as it is at the time of the attempt,
// so that an event is no more than a reason to read it ([Tasks]). So there is one notification that
// waits, whatever happens meanwhile, and no event is kept for it: neither the log nor a dead letter.
//
// # Several nodes
//
// A node serves the webhooks that it holds in the store. It holds them while its lease is live
// (package node): when a node has crashed, another one continues from the stored position. All
// nodes have an equal share, rounded up. A node with more, because another one joined, releases the
// surplus within a sixth of a lease.
//
// Every node polls several times a second for webhooks that no live node holds. So a webhook is served
// within a second of its registration, also when notifications are lost. A node leaves webhooks
// beyond its share to other nodes for one poll and then takes them, because the node with free
// capacity may have crashed.
package webhook
