package upkeep_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/service"
	"github.com/b2b-protocol/b2b/server/store"
	"github.com/b2b-protocol/b2b/server/store/storetest/pgtest"
	"github.com/b2b-protocol/b2b/server/store/storetest/sqltest"
	"github.com/b2b-protocol/b2b/server/upkeep"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// onEach runs a test on each database.
func onEach(t *testing.T, run func(*world)) {
	for name, open := range map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return filepath.Join(t.TempDir(), "b2b.db") },
		"postgres": func(t *testing.T) string { return pgtest.URL(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(newWorld(t, open(t)))
		})
	}
}

// world is the services over a store, with a clock that a test moves.
type world struct {
	*testing.T
	call.Services
	store.Store
	ctx   context.Context
	clock atomic.Int64 // Unix milliseconds
	deps  service.Deps
}

type noAccess struct{}

func (noAccess) Forget(string)         {}
func (noAccess) LastSeen(string) int64 { return 0 }
func (noAccess) LastUsed(string) int64 { return 0 }

func (noAccess) AdminFingerprint(context.Context) (string, error) { return "", nil }

func newWorld(t *testing.T, url string) *world {
	st := sqltest.Open(t, url)
	w := &world{T: t, Store: st, ctx: t.Context()}
	w.clock.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli())
	w.deps = service.Deps{
		Store: st, Access: noAccess{}, Log: slog.New(slog.DiscardHandler), Now: w.now, Config: service.Config{MaxMessage: 65536},
	}
	w.Services = service.New(w.deps)
	return w
}

func (w *world) now() time.Time { return time.UnixMilli(w.clock.Load()) }

func (w *world) sleep(d time.Duration) { w.clock.Add(d.Milliseconds()) }

// runner is the upkeep of one node.
func (w *world) runner(node string) *upkeep.Runner {
	return upkeep.New(upkeep.Config{
		Store: w.Store, Orgs: service.NewRetention(w.deps), Node: node, Now: w.now, Log: slog.New(slog.NewTextHandler(w.Output(), nil)),
	})
}

// do does a job, which must be due.
func (w *world) do(job string) {
	w.Helper()
	if did, err := w.runner("node").Do(w.ctx, job); err != nil || !did {
		w.Fatalf("job %s: done %v, %v", job, did, err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (w *world) update(org string, fn func(store.Tx) error) {
	w.Helper()
	if err := w.Update(w.ctx, org, fn); err != nil {
		w.Fatal(err)
	}
}

func (w *world) org(id string) {
	w.Helper()
	w.update("", func(tx store.Tx) error {
		return tx.CreateOrg(w.ctx, &store.Org{ID: id, Name: id, SecretHash: id, Status: store.OrgActive, CreatedAt: w.clock.Load()})
	})
}

// bot adds a bot and answers the context in which it calls.
func (w *world) bot(org, name string) context.Context {
	w.Helper()
	b := &store.Bot{
		ID: org + "-" + name, OrgID: org, Name: name, TokenHash: org + name, AuthRole: store.AuthMember, JoinStatus: store.BotActive, CreatedAt: 1,
	}
	w.update(org, func(tx store.Tx) error { return tx.CreateBot(w.ctx, b) })
	return w.as(&call.Caller{Kind: call.Bot, OrgID: org, BotID: b.ID, BotName: name, Scopes: call.ScopeFull})
}

func (w *world) as(c *call.Caller) context.Context {
	return call.WithInfo(w.ctx, &call.Info{Caller: c, Via: "rest"})
}

func (w *world) admin(org string) context.Context {
	return w.as(&call.Caller{Kind: call.OrgAdmin, OrgID: org, Session: &call.Session{}})
}

func (w *world) settings(org string, change func(*b2bv1.UpdateOrgSettingsRequest)) {
	w.Helper()
	req := &b2bv1.UpdateOrgSettingsRequest{MessagesPerMinutePerBot: new(int64(1_000_000)), ThreadsPerHourPerBot: new(int64(1_000_000))}
	change(req)
	must(w.OrgService.UpdateOrgSettings(w.admin(org), req))
}

func (w *world) dm(from context.Context, to, content string) *b2bv1.SendDirectMessageResponse {
	w.Helper()
	return must(w.ChannelService.SendDirectMessage(from, &b2bv1.SendDirectMessageRequest{To: &to, Content: &content}))
}

func (w *world) thread(by context.Context, topic string, participants ...string) *b2bv1.Thread {
	w.Helper()
	return must(w.ThreadService.CreateThread(by, &b2bv1.CreateThreadRequest{
		Topic: &topic, Participants: &b2bv1.StringList{Values: participants},
	})).Thread
}

func (w *world) post(by context.Context, thread, content string) (id string) {
	w.Helper()
	return must(w.ThreadService.SendThreadMessage(by, &b2bv1.SendThreadMessageRequest{ThreadId: thread, Content: &content})).Message.Id
}

func (w *world) get(by context.Context, thread string) *b2bv1.Thread {
	w.Helper()
	return must(w.ThreadService.GetThread(by, &b2bv1.GetThreadRequest{ThreadId: thread})).Thread
}

func (w *world) status(by context.Context, thread string, status b2bv1.ThreadStatus) {
	w.Helper()
	must(w.ThreadService.UpdateThread(by, &b2bv1.UpdateThreadRequest{ThreadId: thread, Status: &status}))
}

func (w *world) artifact(by context.Context, thread, key string, update bool) {
	w.Helper()
	if update {
		must(w.ArtifactService.UpdateArtifact(by, &b2bv1.UpdateArtifactRequest{ThreadId: thread, ArtifactKey: key, Content: new("x")}))
		return
	}
	must(w.ArtifactService.AddArtifact(by, &b2bv1.AddArtifactRequest{ThreadId: thread, ArtifactKey: &key, Content: new("x")}))
}

func (w *world) audits(org, action string) []store.AuditEntry {
	w.Helper()
	return must(w.Audit(w.ctx, store.AuditQuery{OrgID: org, Action: action, Limit: 100}))
}

// want compares what is printed.
func (w *world) want(what string, got, want any) {
	w.Helper()
	if g, x := fmt.Sprint(got), fmt.Sprint(want); g != x {
		w.Errorf("%s: got %s, want %s", what, g, x)
	}
}
