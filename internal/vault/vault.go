// Package vault finds the key for the secrets of a database (package seal), and seals secrets that
// are not sealed with it.
//
// # Where the key is
//
// The key is never in the database, so that a copy of the database reveals no secret. An operator
// may set it (B2B_SECRET_KEY). Otherwise a server that uses the database alone generates a key and
// keeps it as a note beside the files. Servers that share a database (PostgreSQL) need not share a
// disk, but have the same admin secret. They derive the key from it, slowly so that guesses are
// expensive. They also keep it as a note, for servers with the next admin secret, and for commands
// that need no admin secret.
//
// # When it changes
//
// A server seals with one key and opens with all keys that it has. At its start it reseals, with
// its own key, secrets that were sealed with another, and seals those that older versions left in
// plain text. It does so in small transactions; a crash loses none of them.
//
// # When it is lost
//
// Secrets that were sealed with a lost key are kept, in case the key returns. Until then their
// webhooks get nothing (their events become dead letters), lists show no codes, and everything
// else works. Each start logs an error.
package vault

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/google/uuid"

	"github.com/b2b-protocol/b2b/internal/files"
	"github.com/b2b-protocol/b2b/internal/seal"
	"github.com/b2b-protocol/b2b/internal/store"
)

// Config configures Open.
type Config struct {
	Store Store
	Files files.Store
	// Keys are the operator's setting. The first one seals; the others open older secrets. If
	// there are none the key is derived or generated.
	Keys []seal.Key
	Log  *slog.Logger
	// Derive is the admin secret, for servers that share the database. If it is empty the key
	// is not derived.
	Derive string
}

// The name of a key in the database begins with the source of the key.
const (
	inSetting = "setting:"
	inSecret  = "admin:" // derived from the admin secret
	inFiles   = "file:"
)

// deriveRounds are the PBKDF2 rounds for a key: the cost of one guess of the admin secret for an
// attacker with a copy of the database. They take tens of milliseconds at each start.
const deriveRounds = 100_000

// note returns the name of the note with a key.
func note(id string) string { return "seal-" + id + ".key" }

// rounds bounds the attempts to set the name of the key while other nodes change it.
const rounds = 10

// Open returns the keyring of the database, and seals secrets that are not sealed with its first
// key.
func Open(ctx context.Context, c Config) (*seal.Keyring, error) {
	for range rounds {
		state, err := c.Store.SealState(ctx)
		if err != nil {
			return nil, fmt.Errorf("read which key seals: %w", err)
		}
		first, name, err := c.first(ctx, state)
		if err != nil {
			return nil, err
		}
		now, err := c.put(ctx, state, store.SealState{Key: name, Under: state.Under})
		if err != nil {
			return nil, err
		}
		if now.Key != name {
			continue // another node set its key first
		}
		others, err := c.others(ctx, state)
		if err != nil {
			return nil, err
		}
		keyring := seal.New(first, others...)
		return keyring, c.tidy(ctx, keyring, now)
	}
	return nil, errors.New("vault: other servers keep changing the key: set the same B2B_SECRET_KEY, or the same admin secret, on all nodes")
}

// first returns the key that seals, and its name.
func (c Config) first(ctx context.Context, state store.SealState) (k seal.Key, name string, err error) {
	if len(c.Keys) > 0 {
		return c.Keys[0], inSetting + c.Keys[0].ID(), nil
	}
	if strings.HasPrefix(state.Key, inSetting) {
		return k, "", errors.New("B2B_SECRET_KEY is not set, but secrets of this database are sealed with an earlier one. Set it again. " +
			"If it is lost, set a new one (openssl rand -hex 32): the URLs and secrets of webhooks are then lost, nothing else")
	}
	if c.Derive != "" {
		if k, err = c.derived(ctx); err != nil {
			return k, "", err
		}
		return k, inSecret + k.ID(), c.keep(ctx, k)
	}
	if _, id, ok := strings.Cut(state.Key, ":"); ok {
		switch k, found, err := c.kept(ctx, id); {
		case err != nil || found:
			return k, state.Key, err
		}
		c.Log.ErrorContext(ctx, "the key of this database's secrets is missing, so a new one was generated: restore the old file if there is a copy",
			"file", note(id), "in", c.Files.String())
	}
	k = seal.NewKey()
	return k, inFiles + k.ID(), c.keep(ctx, k)
}

// derived returns the key that nodes with the same admin secret derive.
func (c Config) derived(ctx context.Context) (k seal.Key, err error) {
	var database string
	err = c.Store.Update(ctx, "", func(tx Tx) (err error) {
		database, err = tx.Installation(ctx, uuid.NewString())
		return err
	})
	if err != nil {
		return k, fmt.Errorf("read the id of the database: %w", err)
	}
	bits, err := pbkdf2.Key(sha256.New, c.Derive, []byte("b2b seal\x00"+database), deriveRounds, 32)
	if err != nil {
		return k, fmt.Errorf("derive the key that seals: %w", err)
	}
	return seal.ParseKey(hex.EncodeToString(bits))
}

// keep stores a key beside the files.
func (c Config) keep(ctx context.Context, k seal.Key) error {
	if _, found, err := c.kept(ctx, k.ID()); err != nil || found {
		return err
	}
	if err := c.Files.SetNote(ctx, note(k.ID()), k.Text()); err != nil {
		return fmt.Errorf("keep the key that seals: %w", err)
	}
	return nil
}

// kept reads a key that is stored beside the files.
func (c Config) kept(ctx context.Context, id string) (k seal.Key, found bool, err error) {
	text, err := c.Files.Note(ctx, note(id))
	if err != nil {
		return k, false, fmt.Errorf("read the key that seals: %w", err)
	}
	if text == "" {
		return k, false, nil
	}
	if k, err = seal.ParseKey(text); err == nil && k.ID() != id {
		err = errors.New("its key has another id")
	}
	if err != nil {
		return k, false, fmt.Errorf("read %s in %s: %w", note(id), c.Files, err)
	}
	return k, true, nil
}

// others returns further keys that secrets may be sealed with.
func (c Config) others(ctx context.Context, state store.SealState) ([]seal.Key, error) {
	var keys []seal.Key
	if len(c.Keys) > 0 {
		keys = append(keys, c.Keys[1:]...)
	}
	_, id, _ := strings.Cut(state.Key, ":")
	for _, id := range []string{id, state.Under} {
		if id == "" {
			continue
		}
		k, found, err := c.kept(ctx, id)
		if err != nil {
			return nil, err
		}
		if found {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

// put stores the state now, unless another node changed was, and returns the stored state.
func (c Config) put(ctx context.Context, was, now store.SealState) (got store.SealState, err error) {
	if was == now {
		return was, nil
	}
	err = c.Store.Update(ctx, "", func(tx Tx) (err error) {
		got, err = tx.SetSealState(ctx, was, now)
		return err
	})
	if err != nil {
		return got, fmt.Errorf("store which key seals: %w", err)
	}
	return got, nil
}
