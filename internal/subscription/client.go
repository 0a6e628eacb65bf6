package subscription

import (
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// action is what a client does after the end of a subscription, or after a refusal to open one.
// The file sdk/testdata/closes.json has the actions of all ends for the SDKs (B2B-SDK-020).
type action struct {
	name string
	// code is that of the error with which a client stops.
	code b2bv1.ErrorCode
}

// The actions.
var (
	reconnect = action{name: "reconnect"} // at once, from its position
	backOff   = action{name: "backoff"}   // from its position, after a random pause that grows
	wait      = action{name: "wait"}      // as backOff, but after a long pause: nothing is wrong with the connection
	resync    = action{name: "resync"}    // reports that events were missed, and continues from the present
)

// stop ends the client with an error: trying again does not help.
func stop(code b2bv1.ErrorCode) action { return action{name: "stop", code: code} }

// unknownCloses are the actions for close codes with a reason that the client does not know.
// A new ticket shows what is wrong with the credential.
var unknownCloses = []struct {
	code   int
	client action
}{
	{4001, backOff},
	{4002, stop(b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED)},
	{4003, stop(b2bv1.ErrorCode_ERROR_CODE_ORG_MISMATCH)},
	{4008, reconnect},
	{4009, resync},
	{4010, wait},
	{4100, wait},
	{4101, stop(b2bv1.ErrorCode_ERROR_CODE_ORG_DESTROYED)},
	{4403, backOff},
}

// refusals are the actions for errors of the calls that open a subscription, and for errors that
// end a stream, by code. For other codes a client backs off if the status is 5xx, and stops
// otherwise. BOT_NOT_ACTIVE of a bot that waits for approval means wait.
var refusals = map[b2bv1.ErrorCode]action{
	b2bv1.ErrorCode_ERROR_CODE_CURSOR_EXPIRED:   resync,
	b2bv1.ErrorCode_ERROR_CODE_CURSOR_AHEAD:     resync,
	b2bv1.ErrorCode_ERROR_CODE_EPOCH_CHANGED:    resync,
	b2bv1.ErrorCode_ERROR_CODE_ORG_SUSPENDED:    wait,
	b2bv1.ErrorCode_ERROR_CODE_ORG_INACTIVE:     wait,
	b2bv1.ErrorCode_ERROR_CODE_RATE_LIMITED:     wait,
	b2bv1.ErrorCode_ERROR_CODE_TOO_MANY_STREAMS: wait,
}
