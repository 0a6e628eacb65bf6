package service

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
	"github.com/b2b-protocol/b2b/internal/store/storetest/sqltest"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// BenchmarkThreadMessages sends messages of 64 bots to 8 threads of an org, each durable when the call
// returns, with and without the limits of the loop guard. Compare messages/s.
func BenchmarkThreadMessages(b *testing.B) {
	for name, open := range map[string]func(b *testing.B) *sqlstore.Store{
		"sqlite":   func(b *testing.B) *sqlstore.Store { return sqltest.Open(b, filepath.Join(b.TempDir(), "b2b.db")) },
		"postgres": func(b *testing.B) *sqlstore.Store { return sqltest.Open(b, pgtest.DurableURL(b)) },
	} {
		for limits, edit := range map[string]func(*store.OrgSettings){
			"unlimited": func(*store.OrgSettings) {},
			"limited":   func(s *store.OrgSettings) { s.ThreadTurnLimit = proto.Int64(1 << 50) },
			"budgets":   func(s *store.OrgSettings) { s.ThreadMessagesPerHourPerBot = proto.Int64(1 << 50) },
		} {
			b.Run(name+"/"+limits, func(b *testing.B) { benchmarkThreadMessages(b, open(b), edit) })
		}
	}
}

func benchmarkThreadMessages(b *testing.B, db *sqlstore.Store, edit func(*store.OrgSettings)) {
	const senders, threads = 64, 8
	ctx := b.Context()
	org := newID()
	settings := store.DefaultSettings(org)
	settings.MessagesPerMinutePerBot = 1 << 50
	edit(settings)
	err := db.Update(ctx, "", func(tx store.Tx) error {
		return tx.CreateOrg(ctx, &store.Org{ID: org, Name: "o", SecretHash: newID(), Status: store.OrgActive, CreatedAt: 1})
	})
	if err != nil {
		b.Fatal(err)
	}
	bot := func(i int) string { return fmt.Sprint("bot-", i) }
	thread := func(i int) string { return fmt.Sprint("thread-", i) }
	err = db.Update(ctx, org, func(tx store.Tx) error {
		if err := tx.PutOrgSettings(ctx, settings); err != nil {
			return err
		}
		for i := range senders {
			err := tx.CreateBot(ctx, &store.Bot{ID: bot(i), OrgID: org, Name: bot(i), TokenHash: newID(), AuthRole: store.AuthMember, JoinStatus: store.BotActive})
			if err != nil {
				return err
			}
		}
		for t := range threads {
			var in []store.Participant
			for i := t; i < senders; i += threads {
				in = append(in, store.Participant{BotID: bot(i)})
			}
			err := tx.CreateThread(ctx, &store.Thread{ID: thread(t), OrgID: org, Topic: "t", Status: "active", Visibility: "public", JoinPolicy: "open", Revision: 1}, in)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	services := New(Deps{Store: narrowed(db), Access: noAccess{}, Now: time.Now})
	content := strings.Repeat("x", 220)
	var next atomic.Int64
	var group sync.WaitGroup
	b.ResetTimer()
	start := time.Now()
	for i := range senders {
		as := call.WithInfo(context.Background(), &call.Info{Via: "rest", Caller: &call.Caller{Kind: call.Bot, OrgID: org, BotID: bot(i), BotName: bot(i), Scopes: call.ScopeFull}})
		group.Go(func() {
			for next.Add(1) <= int64(b.N) {
				_, err := services.ThreadService.SendThreadMessage(as, &b2bv1.SendThreadMessageRequest{ThreadId: thread(i % threads), Content: &content})
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "messages/s")
}
