// Package search keeps the search index, and reads it.
//
// An [Indexer] follows the log of each org as any reader does: it has a position, reads the events
// after it in batches (what this node has committed it has in memory), reads what these name and do
// not have from the database, and adds that to the index with one change, which also moves the
// position. So nothing is written for the index when a message is sent, and what is in the index is
// exactly what the log has up to the position.
//
// The index says which documents may match, and who may see them is decided again when they are read
// (package service): so what was deleted, or left, is found no longer, before the index has heard of
// it.
//
// # Nodes
//
// The node that commits is the first to hear of it, and indexes. While it has more to do than one
// batch, its id is in the state of the org, and the others leave that org alone while its lease is
// live. A change compares the state with the one that it was prepared from, so two nodes never add the
// same events.
//
// # Making an index anew
//
// An org without an index, with events that were pruned before they were read, or for which an
// operator asked (b2b reindex), gets one from the database, in the order of time:
//
//	clear    what is there is removed
//	collect  what is to be indexed is listed in search_todo, from all tables
//	log      what has changed meanwhile is added to it, from the log
//	fill     the list is indexed, oldest first
//
// Then the index follows the log. Each step is a change that says where it is, so that any node can go
// on after a crash.
package search
