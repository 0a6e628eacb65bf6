package auth

import (
	"context"
	"encoding/hex"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/call"
)

// authenticateHeld answers who is calling over a connection that was opened with a credential
// and knows its hash (B2B-WS-004, B2B-WS-005). An open connection does not count as a use of
// the credential: it extends no session and does not change when the bot was last seen.
func (a *Authenticator) authenticateHeld(ctx context.Context, c call.Credentials) (*call.Caller, error) {
	if c.SessionHash == "" {
		k, ok := keyOfHash(c.TokenHash)
		if !ok {
			return nil, TokenUnknown()
		}
		b, err := a.findBearer(ctx, k, false, c.VersionChecked)
		if err != nil {
			return nil, err
		}
		return b.judge(c, a.nowMS())
	}
	k, ok := keyOfHash(c.SessionHash)
	if !ok {
		return nil, sessionOver()
	}
	it, err := a.sessionItem(ctx, k, a.nowMS(), c.VersionChecked)
	switch {
	case err != nil:
		return nil, err
	case it.value == nil:
		return nil, sessionOver()
	case it.value.refusal != nil:
		return nil, it.value.refusal
	}
	return it.value.caller, nil
}

func sessionOver() error {
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED, "The session of this connection is over")
}

// keyOfHash is the key of a credential by the hash that Hash makes of it.
func keyOfHash(hash string) (k key, ok bool) {
	if len(hash) != hex.EncodedLen(len(k)) {
		return k, false
	}
	_, err := hex.Decode(k[:], []byte(hash))
	return k, err == nil
}
