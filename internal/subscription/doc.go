// Package subscription drives the subscriptions of clients: WebSockets, and streams over SSE,
// Connect and gRPC.
//
// # A subscription
//
// A binding authenticates a caller once and opens a subscription with [Driver.Open]. If access
// changed between the two, Open authenticates again. The subscription replays the log from a
// position and is then live (package eventlog).
//
// The credential is checked again in two cases. The log reports a change of access: Next and Poll
// check it before they return anything else, with a caller that is not older than the change. Its
// time has come, or a minute or a heartbeat has passed: the binding calls [Subscription.Check], or
// lets [Subscription.Run] do so. If the log has a record of the change that ended a credential,
// Check lets the log end the subscription at that place. It has no record of a credential that
// expired, so that subscription ends at once.
//
// A stream has a goroutine, which calls Run. A WebSocket has no goroutine while nothing is to be
// sent: it calls Poll.
//
// # How it ends
//
// Every subscription ends with an [End]. One table lists the reasons, and for each what a client
// receives over every binding: the code and reason of the WebSocket close frame, the error of a
// stream over SSE, Connect or gRPC, and what a webhook does. The table of B2B-WS-004 in SPEC.md is
// made from it; a test compares them.
package subscription
