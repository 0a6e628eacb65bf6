// Package runner makes an agent of a command: it claims the deliveries of a bot's inbox and runs the
// command for each, with the delivery on its standard input. What the command prints is the reply,
// and its exit status says whether the delivery is done.
//
// A delivery belongs to the command as long as it runs: its lease is extended meanwhile, and the reply
// and the settlement are one change on the server. A command that ends with a failure, that takes too
// long, or whose machine stops, gets the delivery again later, on this machine or another.
package runner
