package auth

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"

	"github.com/google/uuid"

	"github.com/b2b-protocol/b2b/server/store"
)

// adminSecret is the operator's secret. Sessions of super admins carry its fingerprint, so
// that each node refuses them after the secret was rotated (B2B-AUTH-062).
type adminSecret struct {
	text string // empty: no secret is set

	mu          sync.Mutex
	fingerprint string // empty: not computed yet
}

// fingerprintRounds are the PBKDF2 rounds of a fingerprint: the cost of one guess for an attacker
// who has a copy of the database.
const fingerprintRounds = 100_000

// AdminFingerprint returns the fingerprint of the admin secret of this node. It is empty when
// no secret is set (developer mode, B2B-ENV-011). The first call takes tens of milliseconds.
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
	err := a.store.Update(ctx, "", func(tx store.Tx) (err error) {
		salt, err = tx.Installation(ctx, uuid.NewString())
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read the id of the database: %w", err)
	}
	key, err := pbkdf2.Key(sha256.New, s.text, []byte("b2b admin secret\x00"+salt), fingerprintRounds, 16)
	if err != nil {
		return "", fmt.Errorf("compute the fingerprint of the admin secret: %w", err)
	}
	s.fingerprint = hex.EncodeToString(key)
	return s.fingerprint, nil
}

// EndOtherSecrets ends the sessions of super admins that another admin secret opened. A node
// calls it at its start.
func (a *Authenticator) EndOtherSecrets(ctx context.Context) error {
	live, err := a.store.SessionsOf(ctx, store.SessionScope{Role: store.RoleSuperAdmin}, a.nowMS(), 1)
	if err != nil {
		return fmt.Errorf("look for sessions of super admins: %w", err)
	}
	if len(live) == 0 {
		return nil
	}
	fingerprint, err := a.AdminFingerprint(ctx)
	if err != nil {
		return err
	}
	var ended int64
	err = a.store.Update(ctx, "", func(tx store.Tx) (err error) {
		ended, err = tx.DeleteOtherSecrets(ctx, fingerprint)
		return err
	})
	if err != nil {
		return fmt.Errorf("end the sessions of another admin secret: %w", err)
	}
	if ended > 0 {
		a.log.InfoContext(ctx, "the admin secret has changed: ended the sessions of super admins", "sessions", ended)
	}
	return nil
}
