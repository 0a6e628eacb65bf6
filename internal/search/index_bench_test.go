package search_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/node"
	"github.com/b2b-protocol/b2b/internal/search"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/storetest/sqltest"
)

// BenchmarkFollow is the indexing of one message of 400 bytes, with all merges, in the order of the
// log: of words, of which few are common and many rare.
func BenchmarkFollow(b *testing.B) {
	s := sqltest.Open(b, filepath.Join(b.TempDir(), "b2b.db"))
	ctx := b.Context()
	change := func(org string, fn func(store.Tx) error) {
		if err := s.Update(ctx, org, fn); err != nil {
			b.Fatal(err)
		}
	}
	change("", func(tx store.Tx) error {
		return tx.CreateOrg(ctx, &store.Org{ID: "org", Name: "org", SecretHash: "x", Status: store.OrgActive, CreatedAt: 1})
	})
	thread := "0192a7c4-5d6e-7f80-9abc-def012345678"
	change("org", func(tx store.Tx) error {
		return tx.CreateThread(ctx, &store.Thread{
			ID: thread, OrgID: "org", Topic: "topic", Status: "active", Visibility: "members", JoinPolicy: "open", CreatedAt: 1,
		}, nil)
	})
	log := slog.New(slog.DiscardHandler)
	x := search.New(search.Config{
		Store: store.Narrow(s, func(tx store.Tx) search.Tx { return tx }), Log: log,
		Node: node.New(node.Config{Single: true, Log: log}),
	})
	finish := func() {
		for more := true; more; {
			var err error
			if more, err = x.Step(ctx, "org"); err != nil {
				b.Fatal(err)
			}
		}
	}
	finish()
	text := texts(400)
	for n := 0; n < b.N; n += 500 {
		change("org", func(tx store.Tx) error {
			for i := n; i < min(n+500, b.N); i++ {
				id := fmt.Sprintf("0192a7c4-5d6e-7f80-9abc-%012d", i)
				m := &store.ThreadMessage{ID: id, ThreadID: thread, Content: text(), ContentType: "text", CreatedAt: int64(i)}
				if err := tx.InsertThreadMessage(ctx, m); err != nil {
					return err
				}
				_, err := tx.Append(ctx, store.Event{
					Type: eventtype.ThreadMessage, At: m.CreatedAt, Audience: store.AudienceThread, ThreadID: &thread, MessageID: &id,
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	b.ResetTimer()
	finish()
}

// texts returns a function that makes texts of a size.
func texts(size int) func() string {
	r := rand.New(rand.NewPCG(1, 2))
	words := make([]string, 30_000)
	for i := range words {
		word := make([]byte, 3+r.IntN(8))
		for k := range word {
			word[k] = byte('a' + r.IntN(26))
		}
		words[i] = string(word)
	}
	z := rand.NewZipf(r, 1.1, 8, uint64(len(words)-1))
	return func() string {
		var b strings.Builder
		for b.Len() < size {
			b.WriteString(words[z.Uint64()])
			b.WriteByte(' ')
		}
		return b.String()
	}
}
