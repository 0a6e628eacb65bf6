package subscription

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func refused(code b2bv1.ErrorCode) *call.Error { return call.Errorf(code, "refused") }

// TestRefused: which end a refused credential has, at opening and later (B2B-WS-004, B2B-WS-005).
func TestRefused(t *testing.T) {
	t.Parallel()
	pending := refused(b2bv1.ErrorCode_ERROR_CODE_BOT_NOT_ACTIVE).With("join_status", store.BotPending)
	for _, c := range []struct {
		err            error
		opening, later Reason
	}{
		{refused(b2bv1.ErrorCode_ERROR_CODE_TOKEN_EXPIRED), TokenExpired, TokenExpired},
		{refused(b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN), TokenInvalid, TokenRevoked},
		{refused(b2bv1.ErrorCode_ERROR_CODE_SESSION_INVALID), IdentityInvalid, BotDeleted},
		{refused(b2bv1.ErrorCode_ERROR_CODE_ORG_MISMATCH), OtherOrg, OtherOrg},
		{pending, BotPending, BotPending},
		{refused(b2bv1.ErrorCode_ERROR_CODE_BOT_NOT_ACTIVE), BotRejected, BotRejected},
		{refused(b2bv1.ErrorCode_ERROR_CODE_ORG_SUSPENDED), OrgInactive, OrgSuspended},
		{refused(b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED), IdentityInvalid, SessionRevoked},
		{fmt.Errorf("wrapped: %w", refused(b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED)), IdentityInvalid, SessionRevoked},
	} {
		if e := RefusedAtOpening(c.err); e == nil || e.Reason != c.opening {
			t.Errorf("%v at opening is %+v, want reason %d", c.err, e, c.opening)
		}
		e := RefusedLater(c.err, "why")
		if e == nil || e.Reason != c.later {
			t.Fatalf("%v later is %+v, want reason %d", c.err, e, c.later)
		}
		text := e.Reason.String()
		if e.Reason == SessionRevoked {
			text = "why"
		}
		if _, got := e.Close(); got != text {
			t.Errorf("%v closes with %q, want %q", c.err, got, text)
		}
		refusal, _ := call.AsError(c.err)
		if got, _ := call.AsError(e); e.Reason == OtherOrg { // no stream ends for this
			if got.Code != refusal.Code {
				t.Errorf("%v ends with %v", c.err, e)
			}
		} else if !slices.Contains(ends[e.Reason].stream, got.Code) {
			t.Errorf("for %v a stream ends with %v, which is not in the table", c.err, e)
		}
	}
	for _, failure := range []error{errors.New("no database"), refused(b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE), refused(b2bv1.ErrorCode_ERROR_CODE_INTERNAL_ERROR)} {
		if RefusedAtOpening(failure) != nil || RefusedLater(failure, "why") != nil {
			t.Errorf("%v counts as a refusal", failure)
		}
	}
}

// TestOf: which end an error of the log has, and that a stream ends with a code of the table.
func TestOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		reason Reason
		code   int
		text   string
	}{
		{&eventlog.SlowError{}, Slow, 4008, "slow consumer, resume from your cursor"},
		{fmt.Errorf("find the log: %w", eventlog.ErrAccess), AccessLost, 1011, "Internal error"},
		{eventlog.ErrClosed, ServerStopping, 1001, "Server shutting down"},
		{refused(b2bv1.ErrorCode_ERROR_CODE_CURSOR_EXPIRED), PositionRefused, 4009, "CURSOR_EXPIRED"},
		{refused(b2bv1.ErrorCode_ERROR_CODE_CURSOR_AHEAD), PositionRefused, 4009, "CURSOR_AHEAD"},
		{refused(b2bv1.ErrorCode_ERROR_CODE_EPOCH_CHANGED), PositionRefused, 4009, "EPOCH_CHANGED"},
		{refused(b2bv1.ErrorCode_ERROR_CODE_VALIDATION_ERROR), PositionRefused, 4009, "VALIDATION_ERROR"},
		{refused(b2bv1.ErrorCode_ERROR_CODE_TOO_MANY_STREAMS), TooManyStreams, 4010, "TOO_MANY_STREAMS"},
		{refused(b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE), Internal, 1011, "Internal error"},
		{errors.New("no database"), Internal, 1011, "Internal error"},
	} {
		e := Of(c.err)
		if code, text := e.Close(); e.Reason != c.reason || code != c.code || text != c.text {
			t.Errorf("%v is reason %d, close %d %q; want reason %d, close %d %q", c.err, e.Reason, code, text, c.reason, c.code, c.text)
		}
		got, _ := call.AsError(e)
		begun := c.reason != TooManyStreams && got.Code != b2bv1.ErrorCode_ERROR_CODE_VALIDATION_ERROR // else no stream has begun
		if begun && !slices.Contains(ends[c.reason].stream, got.Code) {
			t.Errorf("for %v a stream ends with %v, which is not in the table", c.err, got)
		}
	}
	if slow, _ := call.AsError(Of(&eventlog.SlowError{Resume: eventlog.Position{Epoch: "e", Seq: 7}})); slow.Extras["cursor"] == "" {
		t.Error("a slow reader receives no position")
	}
}

// TestFor: an end without an error of its own ends a stream with the first code of the table.
func TestFor(t *testing.T) {
	t.Parallel()
	for r := Reason(1); r < reasons; r++ {
		e := For(r)
		if code, text := e.Close(); code != ends[r].code || text != ends[r].text {
			t.Errorf("reason %d closes with %d %q", r, code, text)
		}
		if len(ends[r].stream) == 0 {
			continue
		}
		if got, _ := call.AsError(e); got.Code != ends[r].stream[0] {
			t.Errorf("reason %d ends a stream with %v", r, got)
		}
	}
}

// directory is a Directory with one org and one bot.
type directory struct {
	org *store.Org
	bot *store.Bot
	err error
}

func (d directory) Org(context.Context, string) (*store.Org, error) {
	if d.org == nil && d.err == nil {
		return nil, store.ErrNotFound
	}
	return d.org, d.err
}

func (d directory) Bot(context.Context, string, string) (*store.Bot, error) {
	if d.bot == nil {
		return nil, store.ErrNotFound
	}
	return d.bot, nil
}

// TestLost: why a bot or an org has no access.
func TestLost(t *testing.T) {
	t.Parallel()
	active, bot := &store.Org{Status: store.OrgActive}, func(status string) *store.Bot { return &store.Bot{JoinStatus: status} }
	for _, c := range []struct {
		directory
		bot  string
		want Reason
	}{
		{directory{}, "b", OrgDestroyed},
		{directory{}, "", OrgDestroyed},
		{directory{org: &store.Org{Status: store.OrgSuspended}}, "b", OrgSuspended},
		{directory{org: active}, "", 0},
		{directory{org: active}, "b", BotDeleted},
		{directory{org: active, bot: bot(store.BotPending)}, "b", BotPending},
		{directory{org: active, bot: bot(store.BotRejected)}, "b", BotRejected},
		{directory{org: active, bot: bot(store.BotActive)}, "b", 0},
	} {
		if got, err := Lost(t.Context(), c.directory, "o", c.bot); got != c.want || err != nil {
			t.Errorf("%+v of bot %q: reason %d, %v; want %d", c.directory, c.bot, got, err, c.want)
		}
	}
	if _, err := Lost(t.Context(), directory{err: store.ErrClosed}, "o", "b"); !errors.Is(err, store.ErrClosed) {
		t.Errorf("a failure of the store is %v", err)
	}
}
