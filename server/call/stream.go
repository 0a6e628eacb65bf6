package call

import (
	"context"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Pushed is an item of a stream of events, encoded once for all its readers.
type Pushed struct {
	Type   string // "thread_message"; empty in a heartbeat
	Cursor string // the position to resume from; empty for what is told once and not kept
	Wire   []byte // the event as wire JSON, shared by all readers; nil in a heartbeat
}

// Recheck decides once more whether a call that goes on for long may go on: its
// credential may have ended or may lead to less than before. It is the caller's own
// error that says why not.
func (i *Info) Recheck(ctx context.Context) error {
	p := i.pipeline
	if p == nil {
		return nil
	}
	caller, err := p.auth.Authenticate(ctx, i.held())
	if err != nil {
		return p.tell(ctx, i, err)
	}
	if caller.Kind != i.Caller.Kind || caller.OrgID != i.Caller.OrgID || caller.BotID != i.Caller.BotID {
		return Errorf(b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED, "The credential of this call has become another's")
	}
	return CheckAccess(i.Operation.Access, caller)
}

// held is what proves the caller once the call is under way: its being under way is
// no further use of the credential.
func (i *Info) held() Credentials {
	switch c := i.Caller; {
	case c.Session != nil:
		return Credentials{SessionHash: c.Session.Hash}
	case c.TokenHash != "":
		return Credentials{TokenHash: c.TokenHash, OrgID: i.Credentials.OrgID}
	}
	return i.Credentials
}
