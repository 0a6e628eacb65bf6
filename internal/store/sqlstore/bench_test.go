package sqlstore_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
)

// BenchmarkUpdate is the hot path of the server: 64 callers in one org,
// each change two point reads, then a message, an event, an audit entry and a use of
// a rate limit, durable when it returns. Compare updates/s.
func BenchmarkUpdate(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) {
		benchmarkUpdate(b, open(b, filepath.Join(b.TempDir(), "b2b.db")))
	})
	b.Run("postgres", func(b *testing.B) {
		benchmarkUpdate(b, open(b, pgtest.DurableURL(b)))
	})
}

const benchCallers = 64

func benchmarkUpdate(b *testing.B, s *sqlstore.Store) {
	ctx := context.Background()
	defer func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	}()
	bots, channels := benchOrg(b, s)
	content := strings.Repeat("x", 220)
	payload := []byte(strings.Repeat("p", 400))
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	start := time.Now()
	for caller := range benchCallers {
		wg.Go(func() {
			bot, channel := bots[caller], channels[caller]
			for {
				n := next.Add(1)
				if n > int64(b.N) {
					return
				}
				err := s.Update(ctx, "org", func(tx store.Tx) error {
					return benchPost(ctx, tx, bot, channel, fmt.Sprintf("m%09d", n), content, payload)
				})
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "updates/s")
	top, err := s.LogTop(ctx, "org")
	if err != nil || top.Seq != int64(b.N) {
		b.Errorf("log ends at %d, %v", top.Seq, err)
	}
}

func benchPost(ctx context.Context, tx store.Tx, bot, channel, id, content string, payload []byte) error {
	now := time.Now().UnixMilli()
	if in, err := tx.IsChannelMember(ctx, channel, bot); err != nil || !in {
		return fmt.Errorf("member %v: %w", in, err)
	}
	if _, err := tx.OrgSettings(ctx, "org"); err != nil {
		return err
	}
	m := &store.ChannelMessage{ID: id, ChannelID: channel, SenderID: bot, Content: content, ContentType: "text", CreatedAt: now}
	if err := tx.InsertChannelMessage(ctx, m); err != nil {
		return err
	}
	e := store.Event{At: now, Type: "message", Audience: store.AudienceChannel, ChannelID: &channel, ActorID: &bot, Payload: payload}
	if _, err := tx.Append(ctx, e); err != nil {
		return err
	}
	a := &store.AuditEntry{ID: id, OrgID: "org", BotID: &bot, Action: "message.send", TargetType: "channel", TargetID: channel, CreatedAt: now}
	if err := tx.InsertAudit(ctx, a); err != nil {
		return err
	}
	_, _, err := tx.TakeRate(ctx, bot, "message", time.Minute, 1<<40, now)
	return err
}

// benchOrg makes an org with a bot and a channel for each caller.
func benchOrg(b *testing.B, s *sqlstore.Store) (bots, channels []string) {
	b.Helper()
	ctx := context.Background()
	err := s.Update(ctx, "", func(tx store.Tx) error {
		return tx.CreateOrg(ctx, &store.Org{ID: "org", Name: "org", Status: store.OrgActive})
	})
	if err != nil {
		b.Fatal(err)
	}
	err = s.Update(ctx, "org", func(tx store.Tx) error {
		bots, channels = nil, nil
		for i := range benchCallers + 1 {
			id := fmt.Sprintf("bot%d", i)
			bots = append(bots, id)
			err := tx.CreateBot(ctx, &store.Bot{ID: id, OrgID: "org", Name: id, TokenHash: id, AuthRole: store.AuthMember, JoinStatus: store.BotActive})
			if err != nil {
				return err
			}
		}
		for i := range benchCallers {
			id := fmt.Sprintf("channel%d", i)
			channels = append(channels, id)
			err := tx.CreateChannel(ctx, &store.Channel{ID: id, OrgID: "org", Type: store.ChannelDirect}, bots[i], bots[benchCallers])
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return bots, channels
}

// BenchmarkThreadMessages reads 50 messages of a thread.
func BenchmarkThreadMessages(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) {
		benchmarkRead(b, open(b, filepath.Join(b.TempDir(), "b2b.db")))
	})
	b.Run("postgres", func(b *testing.B) {
		benchmarkRead(b, open(b, pgtest.DurableURL(b)))
	})
}

func benchmarkRead(b *testing.B, s *sqlstore.Store) {
	ctx := context.Background()
	defer func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	}()
	bots, _ := benchOrg(b, s)
	err := s.Update(ctx, "org", func(tx store.Tx) error {
		t := &store.Thread{ID: "thread", OrgID: "org", Topic: "t", Status: "active", Visibility: "public", JoinPolicy: "open", Revision: 1}
		if err := tx.CreateThread(ctx, t, []store.Participant{{BotID: bots[0]}}); err != nil {
			return err
		}
		for i := range 1000 {
			m := &store.ThreadMessage{
				ID: fmt.Sprintf("m%04d", i), ThreadID: "thread", SenderID: &bots[0], Content: strings.Repeat("x", 220),
				ContentType: "text", CreatedAt: int64(i),
			}
			if err := tx.InsertThreadMessage(ctx, m); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	start := time.Now()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			rows, err := s.ThreadMessages(ctx, "thread", store.MessageRange{Limit: 50})
			if err != nil || len(rows) != 50 {
				b.Errorf("%d rows, %v", len(rows), err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "reads/s")
}
