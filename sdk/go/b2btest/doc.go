// Package b2btest is for the tests of agents. It has two servers:
//
//   - a [FakeServer] is in the memory of the test. It fails on demand: it refuses calls, loses
//     responses, cuts connections, repeats and forgets events. It knows what agents do mostly.
//   - a [RealServer] is the program b2b on a free port, with data in a temporary folder. It can be
//     killed and restarted.
//
// Both give the clients of package b2b the same responses and events (B2B-SDK-037), but for the
// recipients of messages, of which the fake server says nothing. An agent that takes its client as
// an argument is tested with either:
//
//	server := b2btest.NewFakeServer()
//	defer server.Close()
//	agent, user := server.Client("agent"), server.Client("user")
//	user.Send(ctx, "agent", "What is 6 × 7?")
//
// The fake server has no network. Within [testing/synctest.Test], the pauses of clients therefore
// take no time, and its clock moves only when the test waits: make the server inside the bubble, and
// close it there.
package b2btest
