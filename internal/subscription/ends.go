package subscription

import (
	"context"
	"errors"
	"fmt"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// End is the end of a subscription, or the refusal to begin one. As an error it is what a stream
// returns to its client: errors.As finds its *call.Error, if it has one.
type End struct {
	Reason Reason
	text   string // the close reason, if it is not that of the table
	err    error  // what a stream returns
}

// Error implements error.
func (e *End) Error() string {
	if e.err == nil {
		return e.text
	}
	return e.err.Error()
}

// Unwrap returns the error that a stream returns to its client.
func (e *End) Unwrap() error { return e.err }

// Close returns the code and reason of the WebSocket close frame.
func (e *End) Close() (code int, text string) { return ends[e.Reason].code, e.text }

// For returns the end for a reason that comes with no error, such as a ticket that is missing.
func For(r Reason) *End { return &End{Reason: r, text: ends[r].text, err: r.streamError()} }

// with returns the end for a reason with an error that says more than the table.
func with(r Reason, err error) *End { return &End{Reason: r, text: ends[r].text, err: err} }

// streamError returns what a stream returns for an end that comes with no error of its own.
func (r Reason) streamError() error {
	if len(ends[r].stream) == 0 {
		return nil
	}
	code := ends[r].stream[0]
	switch code {
	case b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE:
		return call.Errorf(code, "The server is stopping").WithHint("Subscribe again from the last cursor: no event is lost.")
	case b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN:
		return call.Errorf(code, "The caller no longer has access")
	}
	return call.Errorf(code, "The stream has ended")
}

// refusal returns the error about a credential that is not accepted; nil if err is the failure to
// check it.
func refusal(err error) *call.Error {
	var e *call.Error
	if !errors.As(err, &e) {
		return nil
	}
	switch e.Code {
	case b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE, b2bv1.ErrorCode_ERROR_CODE_INTERNAL_ERROR:
		return nil
	}
	return e
}

// RefusedAtOpening returns the end for an error of authentication when a subscription opens
// (B2B-WS-004); nil if the credential could not be checked.
func RefusedAtOpening(err error) *End {
	e := refusal(err)
	if e == nil {
		return nil
	}
	switch e.Code {
	case b2bv1.ErrorCode_ERROR_CODE_TOKEN_EXPIRED:
		return with(TokenExpired, e)
	case b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN:
		return with(TokenInvalid, e)
	case b2bv1.ErrorCode_ERROR_CODE_ORG_MISMATCH:
		return with(OtherOrg, e)
	case b2bv1.ErrorCode_ERROR_CODE_BOT_NOT_ACTIVE:
		return with(inactiveBot(e), e)
	case b2bv1.ErrorCode_ERROR_CODE_ORG_SUSPENDED:
		return with(OrgInactive, e)
	}
	return with(IdentityInvalid, e)
}

// RefusedLater returns the end of an open subscription with a credential that is no longer
// accepted (B2B-WS-005). session is the close reason if its session has ended. It returns nil if
// the credential could not be checked.
func RefusedLater(err error, session string) *End {
	e := refusal(err)
	if e == nil {
		return nil
	}
	switch e.Code {
	case b2bv1.ErrorCode_ERROR_CODE_TOKEN_EXPIRED:
		return with(TokenExpired, e)
	case b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN:
		return with(TokenRevoked, e)
	case b2bv1.ErrorCode_ERROR_CODE_SESSION_INVALID:
		return For(BotDeleted)
	case b2bv1.ErrorCode_ERROR_CODE_ORG_MISMATCH:
		return with(OtherOrg, e)
	case b2bv1.ErrorCode_ERROR_CODE_BOT_NOT_ACTIVE:
		return For(inactiveBot(e))
	case b2bv1.ErrorCode_ERROR_CODE_ORG_SUSPENDED:
		return For(OrgSuspended)
	}
	return &End{Reason: SessionRevoked, text: session, err: e}
}

func inactiveBot(e *call.Error) Reason {
	if e.Extras["join_status"] == store.BotPending {
		return BotPending
	}
	return BotRejected
}

// Of returns the end for an error of package eventlog. The reason why access was lost is
// AccessLost; see [Lost].
func Of(err error) *End {
	var slow *eventlog.SlowError
	var e *call.Error
	switch {
	case errors.As(err, &slow):
		return with(Slow, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "The client reads too slowly").
			WithHint("Subscribe again from the cursor: no event is lost.").With("cursor", slow.Resume.String()))
	case errors.Is(err, eventlog.ErrAccess):
		return For(AccessLost)
	case errors.Is(err, eventlog.ErrClosed):
		return For(ServerStopping)
	case !errors.As(err, &e):
		return with(Internal, err)
	case e.Code == b2bv1.ErrorCode_ERROR_CODE_TOO_MANY_STREAMS:
		return with(TooManyStreams, e)
	case e.Code == b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE || e.Code == b2bv1.ErrorCode_ERROR_CODE_INTERNAL_ERROR:
		return with(Internal, e)
	}
	return &End{Reason: PositionRefused, text: call.CodeText(e.Code), err: e}
}

// Directory reads the orgs and bots of subscriptions.
type Directory interface {
	Org(ctx context.Context, id string) (*store.Org, error)
	Bot(ctx context.Context, org, id string) (*store.Bot, error)
}

// Lost returns the reason why a bot, or with an empty bot its whole org, has no access; 0 if it has
// access.
func Lost(ctx context.Context, d Directory, orgID, botID string) (Reason, error) {
	org, err := d.Org(ctx, orgID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return OrgDestroyed, nil
	case err != nil:
		return 0, fmt.Errorf("find the org of a subscription: %w", err)
	case org.Status != store.OrgActive:
		return OrgSuspended, nil
	case botID == "":
		return 0, nil
	}
	bot, err := d.Bot(ctx, orgID, botID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return BotDeleted, nil
	case err != nil:
		return 0, fmt.Errorf("find the bot of a subscription: %w", err)
	case bot.JoinStatus == store.BotPending:
		return BotPending, nil
	case bot.JoinStatus != store.BotActive:
		return BotRejected, nil
	}
	return 0, nil
}
