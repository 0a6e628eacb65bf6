package auth

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"

	"github.com/google/uuid"

	"github.com/b2b-protocol/b2b/internal/store"
)

// adminSecret is the operator's secret and its fingerprint. Sessions of super admins store
// the fingerprint of the secret that opened them, so that every node ends them when the
// secret is rotated (B2B-AUTH-062).
type adminSecret struct {
	text string // empty: there is none

	mu          sync.Mutex
	fingerprint string // empty: not computed yet
}

// fingerprintRounds is the number of PBKDF2 rounds. They make it slow to guess the admin
// secret from the fingerprints in a copy of the database.
const fingerprintRounds = 100_000

// AdminFingerprint returns the fingerprint of this node's admin secret. It is empty when there
// is no secret, as in development, where every caller is a super admin (B2B-ENV-011). Equal
// fingerprints mean equal secrets. The first call takes tens of milliseconds.
func (a *Authenticator) AdminFingerprint(ctx context.Context) (string, error) {
	s := &a.admin
	if s.text == "" {
		return "", nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fingerprint != "" {
		return s.fingerprint, nil
	}
	var salt string
	err := a.store.Update(ctx, "", func(tx Tx) (err error) {
		salt, err = tx.Installation(ctx, uuid.NewString())
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read the installation id: %w", err)
	}
	key, err := pbkdf2.Key(sha256.New, s.text, []byte("b2b admin secret\x00"+salt), fingerprintRounds, 16)
	if err != nil {
		return "", fmt.Errorf("derive the fingerprint of the admin secret: %w", err)
	}
	s.fingerprint = hex.EncodeToString(key)
	return s.fingerprint, nil
}

// EndSessionsOfOtherSecrets ends the sessions of super admins that were opened with another
// admin secret. The server calls it once when a node starts.
func (a *Authenticator) EndSessionsOfOtherSecrets(ctx context.Context) error {
	live, err := a.store.SessionsOf(ctx, store.SessionScope{Role: store.RoleSuperAdmin}, a.nowMS(), 1)
	if err != nil {
		return fmt.Errorf("list sessions of super admins: %w", err)
	}
	if len(live) == 0 {
		return nil
	}
	fingerprint, err := a.AdminFingerprint(ctx)
	if err != nil {
		return err
	}
	var ended int64
	err = a.store.Update(ctx, "", func(tx Tx) (err error) {
		ended, err = tx.DeleteSessionsOfOtherSecrets(ctx, fingerprint)
		return err
	})
	if err != nil {
		return fmt.Errorf("end the sessions of another admin secret: %w", err)
	}
	if ended > 0 {
		a.log.InfoContext(ctx, "the admin secret was changed: the sessions of super admins have ended", "sessions", ended)
	}
	return nil
}
