package auth

import (
	"context"
	"encoding/hex"

	"github.com/b2b-protocol/b2b/internal/call"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// authenticateConnection returns the caller of an open connection, which keeps only the hash of
// the credential that it was opened with (B2B-WS-004, B2B-WS-005). It is no use of the
// credential: it does not extend the session and does not change last_seen_at.
func (a *Authenticator) authenticateConnection(ctx context.Context, c call.Credentials) (*call.Caller, error) {
	if c.SessionHash == "" {
		k, ok := keyOfHash(c.TokenHash)
		if !ok {
			return nil, TokenUnknown()
		}
		b, err := a.findBearer(ctx, k, false, c.VersionChecked)
		if err != nil {
			return nil, err
		}
		return b.check(c, a.nowMS())
	}
	k, ok := keyOfHash(c.SessionHash)
	if !ok {
		return nil, sessionEnded()
	}
	it, err := a.sessionItem(ctx, k, a.nowMS(), c.VersionChecked)
	switch {
	case err != nil:
		return nil, err
	case it.value == nil:
		return nil, sessionEnded()
	case it.value.refusal != nil:
		return nil, it.value.refusal
	}
	return it.value.caller, nil
}

func sessionEnded() error {
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED, "The session of this connection has ended")
}

// keyOfHash returns the key of a credential from its hash (see [Hash]). ok is false when the
// text is no such hash.
func keyOfHash(hash string) (k key, ok bool) {
	if len(hash) != hex.EncodedLen(len(k)) {
		return k, false
	}
	_, err := hex.Decode(k[:], []byte(hash))
	return k, err == nil
}
