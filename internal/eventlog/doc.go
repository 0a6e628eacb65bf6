// Package eventlog reads the log of an org: live, and to catch up with what was missed.
//
// Every event is in the log (internal/store) once, in one order. Live push, replay and catch-up
// read the same rows, and one rule decides who may see an event ([visible]). A [Position] is a
// place in the log. A [Subscription] is a reader with a position that moves. A [Hub] serves the
// subscriptions of a node.
//
// # Who sees an event
//
// Visibility follows intervals of membership, not today's members. A bot sees the events of a
// thread from the seq of each join to the seq of the leave after it, both included. The
// transaction that appends an event also stores the intervals. So a late reader sees the same
// events as a live one, and an index of members may be newer than the event it is used for.
// Whether a bot is an admin has no history: its current role counts when the event is read.
//
// # From replay to live
//
// A subscription replays from the store, page by page, as fast as its reader takes the events.
// When less than a page is left it joins the tail of its org: under the lock of the tail, which
// has then handled seq H, it gets a queue that receives everything from H+1 on. It replays up to
// H and then reads the queue. So no event is lost or repeated between the two.
//
// The tail is one goroutine for each org that has subscriptions on this node. It receives the
// commits of this node from the writer, without reading them again, and reads those of other
// nodes from the store. It decodes an event and encodes it as wire JSON once; all subscriptions
// share the bytes.
//
// # States of a subscription
//
// A subscription is replaying (it reads the store), joined (it still does, and its queue receives
// what the tail handles), live (it reads its queue), ending (it reads what is left, and receives
// nothing more) or ended. The first reason to end counts; later ones have no effect.
//
//	             joins        replayed     overflows    access ends  far behind   fails
//	replaying    joined       -            -            ending       ended        ended
//	joined       -            live         replaying    ending       ending       ended
//	live         -            -            ended        ending       ending       ended
//	ending       -            ended        -            -            -            ended
//	ended        -            -            -            -            -            -
//
// joins: less than a page is left to replay. replayed: the reader has taken everything before the
// queue, and if the subscription is ending also the queue. overflows: the queue is full. access
// ends: the log has an access_changed event that ends access; far behind: the same with more than a
// page left to replay. fails: Close, or the tail has failed.
//
// # Failures
//
// The connection breaks. The client returns with the position of its last event, from replay or
// live, and continues after it. The server keeps nothing for it: a position is valid on every
// node.
//
// The reader is slow: 256 items wait and it took none for a second, or 4,096 wait. The next item
// ends its subscription with a [SlowError] with the position to resume from. The tail does not
// wait for readers. A subscription that overflows while it replays loses only its queue: it
// continues to replay, and joins the tail again later. So a reader that is far behind makes
// progress.
//
// Hundreds of bots reconnect at once. The tail keeps the pages that were replayed last, so that
// each event is read, decoded and encoded once for all of them.
//
// The tail is slow, because the store is slow or a thread with thousands of members is created.
// The commits of this node wait in an inbox, which never blocks the writer. When the inbox is
// full, the tail reads the store instead.
//
// An event of another node is missing, because it was committed between two of this node. Seqs
// have no gaps, so the tail notices, and reads the missing events from the store first.
//
// A notification is lost. Notifications carry no events: at the next one, at the next commit of
// this node, or at the next poll (twice a second where nodes share a store) the tail reads all
// new events. The same holds for a commit whose result was lost with the database connection.
//
// A membership ended while the bot was away. It gets the events of the thread up to the one that
// says it left, and from the one that says it joined again, if it did.
//
// Access changed after a caller was authenticated and before its subscription began. The viewer has
// the auth version of the caller. Under the lock of the tail, Subscribe compares it with the last
// change of access, and returns call.ErrStale; the caller authenticates again.
//
// Access ended while the bot was connected. An access_changed event of the log, which no client
// receives, ends the subscriptions of a bot that is not active ([ErrAccess]) after the visible
// events before it. The other subscriptions concerned get an item that asks to check the
// credential again. That check reads the current state, which may be newer than the
// subscription; [Subscription.Last] delivers what is in the log up to then. A subscription that
// has more than a page to replay does not replay it first: it ends at once, and is asked at once
// to check its credential. Otherwise a revoked token could read the rest of the log.
//
// The state of a webhook was changed in the store, by a redelivery of dead letters or because the
// bot connected. A webhook_changed record of the log, which no client receives, informs the
// subscription of the webhook, on whichever node it is, with an item ([Item.WebhookChanged]).
//
// The log does not have the position, because older events were deleted: CURSOR_EXPIRED. The
// same error ends a replay that finds a gap.
//
// The org was imported from another system. Its log, with an epoch of its own, begins with the
// catch-up rows of its bots ([ImportedRow]). All positions that clients receive are after these
// rows, except those of catch-up pages. A stream from such a position is CURSOR_EXPIRED, because
// the events that the rows sum up are not in the log.
//
// A bot catches up after a long absence. When few events of a large log concern it, its threads
// and channels are read one by one through an index, not the whole log.
//
// The database was restored from a backup. Positions from before the backup remain valid.
// Positions from after it are ahead of the log (CURSOR_AHEAD). When the log has grown past them,
// the fingerprint of the event before the position differs (EPOCH_CHANGED). A log that was
// emptied has another epoch (EPOCH_CHANGED). A running tail that finds its log shorter or
// replaced ends its subscriptions with EPOCH_CHANGED.
//
// In none of these cases does a reader continue elsewhere without an error.
//
// # Presence
//
// Whether a bot is online is state, not history. The log carries presence events to every node
// (store.AudiencePresence). They have no position and are never replayed; a subscription that
// replays receives those of the meantime after its replay.
//
// When N bots of an org connect at once, each must learn of all others. So that this does not cost
// N² wake-ups and writes, the tail delivers the first presence event at once and collects those that
// follow, for a window that grows with the number of subscriptions. A round, which all
// subscriptions share, has the newest state of each bot that changed in the window. Rounds that
// wait for a slow reader are merged in the same way, and do not count as items of its queue.
//
// A client that lists the bots between two events of a window has the state between them. So a bot
// that went and came back is reported with both events, not with none. Events that a bot was
// renamed or deleted, or has another status, stay in their order with its presence events.
package eventlog
