// Package torture checks that events are neither lost nor duplicated nor reordered, whatever
// happens to servers and connections.
//
// A [Scenario] is an org with bots on the servers of the caller. Writers change it all the time
// (direct messages, threads that bots join and leave, artifacts). Each change has a request_id and
// is repeated on another server until there is a response. Subscribers listen over WebSocket,
// server-sent events, Connect and gRPC, disconnect at random, and resume from their last cursor
// over another binding on another server; sometimes they request a catch-up instead, and then a
// stream from its end. Meanwhile the caller may kill servers and make their notifiers fail.
//
// At the end [Scenario.Judge] compares what each subscriber received with what it must have
// received according to the log. [Viewer] decides that independently of the server: it keeps
// members as sets that events change, and does not use the server's intervals. Judge also looks for
// every write: it must be in the log once if it was acknowledged, at most once if it was given up
// without a response, and at the same place in the histories of threads and channels over REST.
//
// The random choices follow from the seed; their timing relative to the servers does not. The first
// difference is reported with its place and seed.
package torture
