// Package torture proves that events are neither lost nor doubled nor out of order,
// whatever happens to servers and connections.
//
// A [World] is an org with bots on servers that are not its own. Writers change it
// all the time (direct messages, threads that bots join and leave, artifacts), each
// change with a request_id, repeated on another server until there is an answer.
// Subscribers listen over WebSocket, server-sent events, Connect and gRPC, break off
// at random, and go on from their last cursor over another binding on another server;
// sometimes they take a catch-up instead, and a stream from where that ends.
// Meanwhile the owner of the servers may kill them and make their notifiers fail.
//
// At the end [World.Judge] compares what each subscriber was told with what the log
// says that it had to be told: [Viewer] is a second opinion about that, which knows
// members as sets that events change, and nothing of the server's intervals. It also
// looks for every write: once in the log if it was acknowledged, at most once if it
// was given up without an answer, and where the histories of threads and channels
// over REST have it.
//
// What is drawn at random follows from the seed; how it falls together with the work
// of the servers does not. The first difference is told with its place and seed.
package torture
