// Package eventlog reads the log of an organisation: for those who want to know what
// happens, live, and for those who want to know what they missed.
//
// Everything that has happened is in the log, once, in one order (server/store). So
// there is one rule of who may see an event ([visible]), and live push, replay and
// catch-up are three ways of walking over the same rows. A [Position] names a place
// in the log; a [Subscription] is a position that moves; a [Hub] moves all of them.
//
// # What an event is visible by
//
// Not by who is a member now, but by intervals: a bot sees the events of a thread
// from the seq at which it joined to the seq at which it left, both included, as
// often as it did so. Intervals are stored in the transactions that append the
// events. So a reader that is late comes to the same answer as one that was there,
// and an index of members that runs ahead of the event in hand is still right.
// Whether a bot is an admin is not history: it is as it is when the event is read.
//
// # From a position to live
//
// A subscription replays from the store, page by page, at the pace of its reader. It
// joins the tail of its organisation when less than a page is left: under the lock
// of the tail, which is at seq H just then, it is given a queue that gets everything
// from H+1 on. It replays up to H, then reads the queue. There is no moment in which
// an event could fall between the two, nor one that is in both.
//
// The tail is one goroutine for each organisation that has subscriptions here. It
// gets what this node commits from the writer, without reading it again, and what
// other nodes commit from the store. An event is decoded and written as wire JSON
// once; the subscriptions share the bytes.
//
// # What goes wrong, and what then happens
//
// The connection breaks between replay and live. The client comes back with the
// position of the last event it got, whichever of the two that came from, and gets
// the next one. Nothing was kept for it, so nothing is lost with a node either: the
// position is good on every node.
//
// The reader is slow: 256 items wait and it has taken none for a second, or 4,096
// wait. The next one ends its subscription with a [SlowError] that carries the position of what it read last, to be told to
// the client together with "resume". The tail has not waited for it. A reader that
// is slow while it replays loses its queue, not its place: it replays on, and joins
// later. So a reader far behind is never caught in a circle of overflows.
//
// Hundreds of bots come back at the same moment. The tail keeps the pages of the log
// that were replayed last, so each event is read, decoded and encoded once for all.
//
// The tail is slow, because the store is, or because a thread of thousands is
// created. What this node commits waits in an inbox that never makes the writer wait;
// when it is full the tail reads the store instead.
//
// An event of another node is missing: it committed between two of ours. Seqs have
// no holes, so the tail sees the gap at once and reads it from the store before it
// goes on.
//
// A notification is lost. It carries no events: the next one, the next commit of this
// node, or the poll (twice a second, where a store is shared) makes the tail look, and
// it reads everything since the last time. The same is true of a commit whose answer
// was lost with the connection to the database.
//
// A membership ended while the bot was away. It gets the events up to the one that
// says that it left, then no more of this thread. If it was let in again, it gets
// those from there on.
//
// Access ended while the bot was connected. The change is an event of the log, told to
// nobody; at its place in the log the subscriptions of a bot that is gone or not
// active any more end ([ErrAccess]), after what was visible before: the event that
// tells of it for one. All other subscriptions concerned get an item that says to look
// at the credential again. Who looks then sees how things are by now, and may find
// what stands further on in the log: it is told what is up to there, too
// ([Subscription.Last]).
//
// The log no longer has the position: it is older than what is kept
// (CURSOR_EXPIRED). Also when that happens during a replay: the hole is seen, since
// the next row has the wrong seq.
//
// The organisation was brought over from another system. Its log begins with what its
// bots had not caught up with there ([ImportedRow]), under an epoch of its own. Every
// position given here stands behind that, but for those within the pages of a
// catch-up: a stream from there is CURSOR_EXPIRED, since it cannot tell the events.
//
// A bot was away for long and catches up. What concerns it may be little of a large
// log: then its threads and channels are read one by one, through an index, and the log
// is not.
//
// The database was restored from a backup. Positions from before the backup go on:
// their readers have seen what the backup has. Positions from after it are ahead of
// the log (CURSOR_AHEAD) and, once the log has grown past them with other events,
// are known by the fingerprint of the event they stand behind (EPOCH_CHANGED). A
// log that was emptied and began again has another epoch (EPOCH_CHANGED). A tail
// that was running meanwhile sees at its next look that the log became shorter or
// another one, and ends its subscriptions with EPOCH_CHANGED.
//
// In none of these cases does a reader silently begin somewhere else.
//
// # Presence
//
// Whether a bot is online is state, not history. The log carries such events to every
// node (store.AudiencePresence), and [Hub.Publish] gives one to the subscriptions of
// this node alone. They are told once, also to those that still replay, behind what
// they replay; they have no position, and no replay gives them again.
package eventlog
