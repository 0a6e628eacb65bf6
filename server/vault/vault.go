// Package vault finds the key that the secrets of a database are sealed under (package
// seal), and seals what is not.
//
// # Where the key is
//
// The key never lies in the database, so that a dump or a copy of the database gives no
// secret away. An operator may set it (B2B_SECRET_KEY). Else a server that has the database
// for itself makes one, and keeps it as a note beside the bytes of files. Servers that share
// a database (PostgreSQL) need not share a disk, but have the same admin secret: their key
// is derived from it, with work that makes guessing expensive, and kept as a note, too, so
// that servers with the next admin secret, and commands that need none, find it.
//
// # When it changes
//
// A server seals under one key and opens under all that it has. Starting, it seals under
// its own what is sealed under another, and what servers of before left in plain text:
// in small changes, each of which stays done when the server dies.
//
// # When it is lost
//
// What was sealed under it stays as it is, in case the key comes back. Until then webhooks
// get nothing (their deliveries become dead letters), lists show no codes, and everything
// else works. Each start says so in the log.
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

	"github.com/b2b-protocol/b2b/server/files"
	"github.com/b2b-protocol/b2b/server/seal"
	"github.com/b2b-protocol/b2b/server/store"
)

// Config is what Open works with.
type Config struct {
	Store store.Store
	Files files.Store
	// Keys are those that the operator has set: the first seals, the others open what was
	// sealed before. None: the key is derived or made.
	Keys []seal.Key
	Log  *slog.Logger
	// Derive is what servers that share the database derive the key from: their admin
	// secret. Empty: the key is not derived.
	Derive string
}

// Names of keys in the database begin with where the key is.
const (
	inSetting = "setting:"
	inSecret  = "admin:" // derived from the admin secret
	inFiles   = "file:"
)

// deriveWork is how many rounds it takes to try one guess of the admin secret against
// somebody's copy of the database. It takes tens of milliseconds, at each start.
const deriveWork = 100_000

func note(id string) string { return "seal-" + id + ".key" }

// rounds bounds how often others may have changed the name of the key meanwhile.
const rounds = 10

// Open finds the key, and seals what is not sealed under it.
func Open(ctx context.Context, c Config) (*seal.Ring, error) {
	for range rounds {
		state, err := c.Store.SealState(ctx)
		if err != nil {
			return nil, fmt.Errorf("find out which key seals: %w", err)
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
			continue // another node was faster
		}
		others, err := c.others(ctx, state)
		if err != nil {
			return nil, err
		}
		ring := seal.New(first, others...)
		return ring, c.tidy(ctx, ring, now)
	}
	return nil, errors.New("vault: other servers keep changing the key that seals: give all nodes the same B2B_SECRET_KEY, or the same admin secret")
}

// first is the key that seals, and its name.
func (c Config) first(ctx context.Context, state store.SealState) (k seal.Key, name string, err error) {
	if len(c.Keys) > 0 {
		return c.Keys[0], inSetting + c.Keys[0].ID(), nil
	}
	if strings.HasPrefix(state.Key, inSetting) {
		return k, "", errors.New("B2B_SECRET_KEY is not set, and secrets of this database are sealed under one that was. " +
			"Set it again; if it is lost, set a new one, as openssl rand -hex 32 makes it: secrets and addresses of webhooks are lost then, nothing else")
	}
	if c.Derive != "" {
		if k, err = c.derived(ctx); err != nil {
			return k, "", err
		}
		return k, inSecret + k.ID(), c.keep(ctx, k)
	}
	if _, id, ok := strings.Cut(state.Key, ":"); ok {
		switch k, there, err := c.kept(ctx, id); {
		case err != nil || there:
			return k, state.Key, err
		}
		c.Log.ErrorContext(ctx, "the key of this database's secrets is gone, a new one is made: put the old one back if there is a copy",
			"file", note(id), "in", c.Files.String())
	}
	k = seal.NewKey()
	return k, inFiles + k.ID(), c.keep(ctx, k)
}

// derived is the key of all nodes that have the same admin secret.
func (c Config) derived(ctx context.Context) (k seal.Key, err error) {
	var database string
	err = c.Store.Update(ctx, "", func(tx store.Tx) (err error) {
		database, err = tx.Installation(ctx, uuid.NewString())
		return err
	})
	if err != nil {
		return k, fmt.Errorf("name the database: %w", err)
	}
	bits, err := pbkdf2.Key(sha256.New, c.Derive, []byte("b2b seal\x00"+database), deriveWork, 32)
	if err != nil {
		return k, fmt.Errorf("derive the key that seals: %w", err)
	}
	return seal.ParseKey(hex.EncodeToString(bits))
}

// keep leaves a key beside the files.
func (c Config) keep(ctx context.Context, k seal.Key) error {
	if _, there, err := c.kept(ctx, k.ID()); err != nil || there {
		return err
	}
	if err := c.Files.SetNote(ctx, note(k.ID()), k.Text()); err != nil {
		return fmt.Errorf("keep the key that seals: %w", err)
	}
	return nil
}

// kept reads a key that lies beside the files.
func (c Config) kept(ctx context.Context, id string) (k seal.Key, there bool, err error) {
	text, err := c.Files.Note(ctx, note(id))
	if err != nil {
		return k, false, fmt.Errorf("read the key that seals: %w", err)
	}
	if text == "" {
		return k, false, nil
	}
	if k, err = seal.ParseKey(text); err == nil && k.ID() != id {
		err = errors.New("it is another key")
	}
	if err != nil {
		return k, false, fmt.Errorf("read %s in %s: %w", note(id), c.Files, err)
	}
	return k, true, nil
}

// others are keys that something may be sealed under yet.
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
		k, there, err := c.kept(ctx, id)
		if err != nil {
			return nil, err
		}
		if there {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

func (c Config) put(ctx context.Context, was, now store.SealState) (got store.SealState, err error) {
	if was == now {
		return was, nil
	}
	err = c.Store.Update(ctx, "", func(tx store.Tx) (err error) {
		got, err = tx.SetSealState(ctx, was, now)
		return err
	})
	if err != nil {
		return got, fmt.Errorf("say which key seals: %w", err)
	}
	return got, nil
}
