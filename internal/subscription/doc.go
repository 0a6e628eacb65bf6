// Package subscription says how the subscriptions of clients and webhooks end.
//
// One table lists the reasons, and for each what a client receives over every binding: the code
// and reason of the WebSocket close frame, the error of a stream over SSE, Connect or gRPC, and
// what a webhook does. The table of B2B-WS-004 in SPEC.md is made from it; a test compares them.
package subscription
