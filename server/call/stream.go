package call

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Pushed is an item of a stream of events. All but a heartbeat is shared by all
// readers: nobody may change it.
type Pushed struct {
	Type   string       // "thread_message"; empty in a heartbeat
	Cursor string       // the position to resume from; empty for what is told once and not kept
	Wire   []byte       // the event as wire JSON; nil in a heartbeat
	Event  *b2bv1.Event // nil in a heartbeat
	Forms  *Forms       // of the event; nil in a heartbeat
}

// Form is a way in which a binding sends an event.
type Form int

// The forms besides wire JSON.
const (
	FormFrame   Form = iota // a WebSocket frame
	FormMessage             // a SubscribeResponse, binary
	FormJSON                // a SubscribeResponse, ProtoJSON
	forms
)

// Forms are what bindings make of one event: each is made once, by the first who needs
// it, for all readers.
type Forms [forms]struct {
	mu   sync.Mutex
	made atomic.Pointer[[]byte]
}

// Get gives a form, and makes it when it is not there yet.
func (f *Forms) Get(form Form, make func() ([]byte, error)) ([]byte, error) {
	x := &f[form]
	if b := x.made.Load(); b != nil {
		return *b, nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if b := x.made.Load(); b != nil {
		return *b, nil
	}
	b, err := make()
	if err == nil {
		x.made.Store(&b)
	}
	return b, err
}

// Content is a file that is answered as it is.
type Content struct {
	io.ReadSeeker
	Name     string    // for whoever saves it
	Type     string    // media type
	Inline   bool      // may be shown by a browser instead of saved
	ETag     string    // with its quotes; the bytes under it never change
	Modified time.Time // when they were written
}

// Recheck decides once more whether a call that goes on for long may go on: its
// credential may have ended or may lead to less than before. It returns the caller as it
// is by then, or the caller's own error that says why not.
func (i *Info) Recheck(ctx context.Context) (*Caller, error) {
	p := i.pipeline
	if p == nil {
		return i.Caller, nil
	}
	caller, err := p.auth.Authenticate(ctx, i.held())
	if err != nil {
		return nil, p.tell(ctx, i, err)
	}
	if caller.Kind != i.Caller.Kind || caller.OrgID != i.Caller.OrgID || caller.BotID != i.Caller.BotID {
		return nil, Errorf(b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED, "The credential of this call has become another's")
	}
	return caller, CheckAccess(i.Operation.Access, caller)
}

// Conclude makes the change that a call ends with which cannot be done again as a whole,
// as its stream was read: the caller is looked up anew before, and once more when
// ErrStale says that who may do what has changed again.
func (i *Info) Conclude(ctx context.Context, change func() error) error {
	for range maxTries {
		caller, err := i.Recheck(ctx)
		if err != nil {
			return err
		}
		i.Caller = caller
		if err := change(); !errors.Is(err, ErrStale) {
			return err
		}
	}
	return errChangesTooOften()
}

// ReasonInLog reports refusals whose reason is an event of the org's log, told to who is
// refused: a stream ends behind that event, not before it.
func ReasonInLog(err error) bool {
	e, _ := AsError(err)
	switch e.Code {
	case b2bv1.ErrorCode_ERROR_CODE_BOT_NOT_ACTIVE, b2bv1.ErrorCode_ERROR_CODE_ORG_SUSPENDED, b2bv1.ErrorCode_ERROR_CODE_ORG_DESTROYED:
		return true
	}
	return false
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
