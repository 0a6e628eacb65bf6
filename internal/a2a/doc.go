// Package a2a serves the bots of a server as agents of A2A, the Agent2Agent protocol 1.0, to clients
// that speak it. It calls the server through the Go client only, as the caller of the request.
//
// # A task is a thread
//
// The first message of a client opens a private thread with the agent. What the task is in is read from
// the thread each time (stateOf): there is no store of tasks, and nothing to keep in step with the log.
// Tags of the thread, which never change, name the agent and the context of the task.
//
// # Waiting
//
// A client that waits has a stream of the events of its thread. An event only says that something may
// have changed: the task is read again, and compared with what the client has (watch). So a lost or
// repeated event changes nothing.
//
// # Sent twice, made once
//
// The request ids of the calls are made from the id that the client gave its message. A client that
// repeats a request gets the same task, with one message.
package a2a
