package call_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// outdated has a caller in its cache, whom the database refuses with an error; nil: it does not.
type outdated struct {
	refusal error
	asked   int // how often the database was
}

func (a *outdated) Authenticate(_ context.Context, c call.Credentials) (*call.Caller, error) {
	if !c.VersionChecked {
		a.asked++
	}
	if !c.VersionChecked && a.refusal != nil {
		return nil, a.refusal
	}
	return &call.Caller{Kind: call.Bot, OrgID: "o", BotID: "b"}, nil
}

func (*outdated) Session(context.Context, string) (*call.Session, error) { return nil, nil }

// A change that fails before its transaction compares the version of a cached caller returns the
// refusal of a caller that has lost access, as every other call does (B2B-AUTH-004,
// B2B-HTTP-021). If the caller cannot be checked, the change returns its own error.
func TestFailedChangeOfOutdatedCaller(t *testing.T) {
	t.Parallel()
	inactive := call.Errorf(b2bv1.ErrorCode_ERROR_CODE_BOT_NOT_ACTIVE, "bot_not_active")
	invalid := call.Invalid("scopes must be a list")
	for _, c := range []struct {
		name    string
		refusal error
		want    error
	}{
		{"current", nil, invalid},
		{"outdated", inactive, inactive},
		{"unknown", errors.New("the database does not respond"), invalid},
	} {
		for _, malformed := range []error{nil, invalid} {
			p := call.NewPipeline(&outdated{refusal: c.refusal}, slog.New(slog.DiscardHandler), false)
			info := &call.Info{Operation: &call.Operation{
				Access: &optionsv1.Access{Callers: []optionsv1.Caller{optionsv1.Caller_CALLER_BOT}}, Changes: true,
			}}
			_, err := p.Do(t.Context(), info, nil, malformed, func(context.Context) (proto.Message, error) { return nil, invalid })
			if !errors.Is(err, c.want) {
				t.Errorf("%s, malformed %v: %v, want %v", c.name, malformed != nil, err, c.want)
			}
		}
	}
}

// A change that failed because the database does not respond does not ask it once more, which would
// take as long again (B2B-LIFE-030).
func TestOutageIsWaitedForOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err   error
		asked int
	}{
		{errors.New("the database does not respond"), 0},
		{call.Errorf(b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "too many calls"), 0},
		{call.Invalid("a field"), 1},
	} {
		auth := &outdated{}
		p := call.NewPipeline(auth, slog.New(slog.DiscardHandler), false)
		info := &call.Info{Operation: &call.Operation{
			Access: &optionsv1.Access{Callers: []optionsv1.Caller{optionsv1.Caller_CALLER_BOT}}, Changes: true,
		}}
		_, err := p.Do(t.Context(), info, nil, nil, func(context.Context) (proto.Message, error) { return nil, c.err })
		if err == nil || auth.asked != c.asked {
			t.Errorf("%v: the database was asked %d times, want %d", c.err, auth.asked, c.asked)
		}
	}
}
