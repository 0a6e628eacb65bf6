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

// Pushed is an item of a stream of events: an event or a heartbeat. Readers share the event, so
// it is read-only.
type Pushed struct {
	Type      string       // "thread_message"; empty in a heartbeat
	Cursor    string       // the position to resume from; empty for events that are not in the log
	Wire      []byte       // the event as wire JSON; nil in a heartbeat
	Event     *b2bv1.Event // nil in a heartbeat
	Encodings *Encodings   // of the event; nil in a heartbeat
}

// Encoding is an encoding of an event that a binding sends.
type Encoding int

// The encodings besides wire JSON.
const (
	EncodingFrame     Encoding = iota // a WebSocket frame
	EncodingProto                     // a SubscribeResponse, binary
	EncodingProtoJSON                 // a SubscribeResponse, ProtoJSON
	encodings
)

// Encodings holds the encodings of one event. Each is made once, by the first reader that needs
// it, and shared by all readers.
type Encodings [encodings]struct {
	mu   sync.Mutex
	made atomic.Pointer[[]byte]
}

// Get returns an encoding, and calls encode if it does not exist yet.
func (e *Encodings) Get(encoding Encoding, encode func() ([]byte, error)) ([]byte, error) {
	x := &e[encoding]
	if b := x.made.Load(); b != nil {
		return *b, nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if b := x.made.Load(); b != nil {
		return *b, nil
	}
	b, err := encode()
	if err == nil {
		x.made.Store(&b)
	}
	return b, err
}

// Content is a file that a binding sends as it is.
type Content struct {
	io.ReadSeeker
	Name     string    // the file name for clients that save it
	Type     string    // media type
	Inline   bool      // a browser may show it instead of saving it
	ETag     string    // with its quotes; the bytes of an ETag never change
	Modified time.Time // when the file was written
}

// Recheck authenticates the caller of a long call again and checks its access: the credential may
// have been revoked or may have fewer rights since. It returns the current caller, or the *Error
// to end the call with.
func (i *Info) Recheck(ctx context.Context) (*Caller, error) {
	p := i.pipeline
	if p == nil {
		return i.Caller, nil
	}
	caller, err := p.auth.Authenticate(ctx, i.connectionCredentials())
	if err != nil {
		return nil, p.toError(ctx, i, err)
	}
	if caller.Kind != i.Caller.Kind || caller.OrgID != i.Caller.OrgID || caller.BotID != i.Caller.BotID {
		return nil, Errorf(b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED, "The credential of this call belongs to another caller by now")
	}
	caller = caller.within(ctx)
	return caller, CheckAccess(i.Operation.Access, caller)
}

// Conclude runs the change at the end of a call that reads a stream, such as an upload. The
// pipeline cannot repeat such a call, because its stream is consumed. Conclude authenticates the
// caller again before the change, and repeats both while the change returns ErrStale
// (B2B-FILE-011).
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
	return ErrChangesTooOften()
}

// connectionCredentials returns the credentials to authenticate a running call with. They hold
// hashes only, so that checking them does not count as a use of the credential.
func (i *Info) connectionCredentials() Credentials {
	switch c := i.Caller; {
	case c.Session != nil:
		return Credentials{SessionHash: c.Session.Hash}
	case c.TokenHash != "":
		return Credentials{TokenHash: c.TokenHash, OrgID: i.Credentials.OrgID}
	}
	return i.Credentials
}
