// Package runner makes an agent of something that answers one message at a time: a command that is run for
// each delivery of a bot's inbox, with the delivery on its standard input, or another Executor. What the
// command prints is the reply, and its exit status says whether the delivery is done.
//
// A delivery belongs to the executor as long as it works: its lease is extended meanwhile, and the reply
// and the settlement are one change on the server. A delivery with a failure, that takes too long, or
// whose machine stops, is executed again later, on this machine or another.
package runner
