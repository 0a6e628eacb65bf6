// Package inbox keeps the inboxes of bots: the events addressed to a bot, each handed out to one
// worker at a time until it is settled (B2B-INBOX).
//
// # Where deliveries come from
//
// Nothing is written when a message is sent. An inbox is a reader of the log: the inboxes of an org
// have a position, up to which the events of the log are in them as rows. A claim moves the position
// to the end of the log in its own transaction, so it sees everything that was committed before, on
// any node; a background job does it for orgs in which nobody claims. An org without inboxes has no
// position, and costs nothing.
//
// # What becomes of a delivery
//
//	queued --claim--> leased --ack, or a change that settles it--> done (no row)
//	                  leased --nack, or the end of the lease--> queued, later with each attempt
//	                  leased --the same, after as many attempts as the org allows--> dead
//	                  leased --nack, final--> failed
//	                  leased --wait--> waiting --new delivery of its scope, or a time--> queued
//	failed, dead --redeliver--> queued
//
// Whoever answers a delivery has its lease, a text that is new each time that it is handed out. A
// lease that has ended is LEASE_LOST, so two workers never settle one delivery, and a reply that
// carries the lease is sent by one of them only.
//
// # Order
//
// The deliveries of one scope (a thread or a channel) are handed out in the order of the log, and one
// at a time: a row for each scope has its next delivery and the time when that may be handed out. So a
// claim costs what it hands out, however much is queued behind. A waiting delivery does not hold up
// its scope, because the answer that it waits for may come there.
package inbox
