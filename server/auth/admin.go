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

// adminSecret is the operator's secret, and the mark that super admins' sessions carry of
// it: so that they end when it is rotated (B2B-AUTH-062), on each node by itself.
type adminSecret struct {
	text string // empty: there is none

	mu   sync.Mutex
	mark string // empty: not worked out yet
}

// markWork is how many rounds it takes to try one guess of the admin secret against the
// mark of somebody's copy of the database.
const markWork = 100_000

// AdminMark answers the mark of the admin secret of this node, empty without a secret
// (developing, where everybody is super admin: B2B-ENV-011). It
// says nothing about the secret but whether another one is the same. Working it out takes
// tens of milliseconds, once.
func (a *Authenticator) AdminMark(ctx context.Context) (string, error) {
	s := &a.admin
	if s.text == "" {
		return "", nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mark != "" {
		return s.mark, nil
	}
	var salt string
	err := a.store.Update(ctx, "", func(tx store.Tx) (err error) {
		salt, err = tx.Installation(ctx, uuid.NewString())
		return err
	})
	if err != nil {
		return "", fmt.Errorf("name the database: %w", err)
	}
	key, err := pbkdf2.Key(sha256.New, s.text, []byte("b2b admin secret\x00"+salt), markWork, 16)
	if err != nil {
		return "", fmt.Errorf("work out the mark of the admin secret: %w", err)
	}
	s.mark = hex.EncodeToString(key)
	return s.mark, nil
}

// EndOtherSecrets ends the super admins' sessions that another admin secret opened. It is
// for the start of a node.
func (a *Authenticator) EndOtherSecrets(ctx context.Context) error {
	live, err := a.store.SessionsOf(ctx, store.SessionScope{Role: store.RoleSuperAdmin}, a.nowMS(), 1)
	if err != nil {
		return fmt.Errorf("look for sessions of super admins: %w", err)
	}
	if len(live) == 0 {
		return nil
	}
	mark, err := a.AdminMark(ctx)
	if err != nil {
		return err
	}
	var ended int64
	err = a.store.Update(ctx, "", func(tx store.Tx) (err error) {
		ended, err = tx.DeleteOtherSecrets(ctx, mark)
		return err
	})
	if err != nil {
		return fmt.Errorf("end the sessions of another admin secret: %w", err)
	}
	if ended > 0 {
		a.log.InfoContext(ctx, "the admin secret is another: sessions of super admins have ended", "sessions", ended)
	}
	return nil
}
