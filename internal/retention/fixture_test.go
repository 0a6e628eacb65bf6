package retention_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/node"
	"github.com/b2b-protocol/b2b/internal/retention"
	"github.com/b2b-protocol/b2b/internal/service"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
	"github.com/b2b-protocol/b2b/internal/store/storetest/sqltest"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// onEach runs a test on each database.
func onEach(t *testing.T, run func(*fixture)) {
	for name, open := range map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return filepath.Join(t.TempDir(), "b2b.db") },
		"postgres": func(t *testing.T) string { return pgtest.URL(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(newFixture(t, open(t)))
		})
	}
}

// fixture is the services over a store, with a clock that the test moves.
type fixture struct {
	*testing.T
	call.Services
	*sqlstore.Store
	ctx   context.Context
	clock atomic.Int64 // Unix milliseconds
	deps  service.Deps
}

type noAccess struct{}

func (noAccess) Forget(string)         {}
func (noAccess) LastSeen(string) int64 { return 0 }
func (noAccess) LastUsed(string) int64 { return 0 }

func (noAccess) AdminFingerprint(context.Context) (string, error) { return "", nil }

func newFixture(t *testing.T, url string) *fixture {
	st := sqltest.Open(t, url)
	f := &fixture{T: t, Store: st, ctx: t.Context()}
	f.clock.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli())
	f.deps = service.Deps{
		Store: store.NarrowViews(st, func(r store.Reader) service.Reader { return r }, func(tx store.Tx) service.Tx { return tx }), Access: noAccess{}, Log: slog.New(slog.DiscardHandler), Now: f.now, Config: service.Config{MaxMessage: 65536},
	}
	f.Services = service.New(f.deps)
	return f
}

func (f *fixture) now() time.Time { return time.UnixMilli(f.clock.Load()) }

// advance moves the clock forward.
func (f *fixture) advance(d time.Duration) { f.clock.Add(d.Milliseconds()) }

// node returns a node with a lease.
func (f *fixture) node(id string) *node.Node {
	f.Helper()
	n := node.New(node.Config{Store: store.Narrow(f.Store, func(tx store.Tx) node.Tx { return tx }), ID: id, Now: f.now, Log: slog.New(slog.DiscardHandler)})
	if err := n.Start(f.ctx); err != nil {
		f.Fatal(err)
	}
	return n
}

// runner returns the runner of one node.
func (f *fixture) runner(name string) *retention.Runner { return retention.New(f.config(name)) }

func (f *fixture) config(name string) retention.Config {
	return retention.Config{
		Store: store.Narrow(f.Store, func(tx store.Tx) retention.Tx { return tx }), Orgs: service.NewRetention(f.deps), Node: f.node(name), Now: f.now, Log: slog.New(slog.NewTextHandler(f.Output(), nil)),
	}
}

// do runs a job, which must be due.
func (f *fixture) do(job string) {
	f.Helper()
	if did, err := f.runner("node").Do(f.ctx, job); err != nil || !did {
		f.Fatalf("job %s: done %v, %v", job, did, err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (f *fixture) update(org string, fn func(store.Tx) error) {
	f.Helper()
	if err := f.Update(f.ctx, org, fn); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) org(id string) {
	f.Helper()
	f.update("", func(tx store.Tx) error {
		return tx.CreateOrg(f.ctx, &store.Org{ID: id, Name: id, SecretHash: id, Status: store.OrgActive, CreatedAt: f.clock.Load()})
	})
}

// bot adds a bot and returns the context for its calls.
func (f *fixture) bot(org, name string) context.Context {
	f.Helper()
	b := &store.Bot{
		ID: org + "-" + name, OrgID: org, Name: name, TokenHash: org + name, AuthRole: store.AuthMember, JoinStatus: store.BotActive, CreatedAt: 1,
	}
	f.update(org, func(tx store.Tx) error { return tx.CreateBot(f.ctx, b) })
	return f.as(&call.Caller{Kind: call.Bot, OrgID: org, BotID: b.ID, BotName: name, Scopes: call.ScopeFull})
}

func (f *fixture) as(c *call.Caller) context.Context {
	return call.WithInfo(f.ctx, &call.Info{Caller: c, Via: "rest"})
}

func (f *fixture) admin(org string) context.Context {
	return f.as(&call.Caller{Kind: call.OrgAdmin, OrgID: org, Session: &call.Session{}})
}

func (f *fixture) settings(org string, change func(*b2bv1.UpdateOrgSettingsRequest)) {
	f.Helper()
	req := &b2bv1.UpdateOrgSettingsRequest{MessagesPerMinutePerBot: new(int64(1_000_000)), ThreadsPerHourPerBot: new(int64(1_000_000))}
	change(req)
	must(f.OrgService.UpdateOrgSettings(f.admin(org), req))
}

func (f *fixture) dm(from context.Context, to, content string) *b2bv1.SendDirectMessageResponse {
	f.Helper()
	return must(f.ChannelService.SendDirectMessage(from, &b2bv1.SendDirectMessageRequest{To: &to, Content: &content}))
}

func (f *fixture) thread(by context.Context, topic string, participants ...string) *b2bv1.Thread {
	f.Helper()
	return must(f.ThreadService.CreateThread(by, &b2bv1.CreateThreadRequest{
		Topic: &topic, Participants: &b2bv1.StringList{Values: participants},
	})).Thread
}

func (f *fixture) post(by context.Context, thread, content string) (id string) {
	f.Helper()
	return must(f.ThreadService.SendThreadMessage(by, &b2bv1.SendThreadMessageRequest{ThreadId: thread, Content: &content})).Message.Id
}

func (f *fixture) get(by context.Context, thread string) *b2bv1.Thread {
	f.Helper()
	return must(f.ThreadService.GetThread(by, &b2bv1.GetThreadRequest{ThreadId: thread})).Thread
}

func (f *fixture) status(by context.Context, thread string, status b2bv1.ThreadStatus) {
	f.Helper()
	must(f.ThreadService.UpdateThread(by, &b2bv1.UpdateThreadRequest{ThreadId: thread, Status: &status}))
}

func (f *fixture) artifact(by context.Context, thread, key string, update bool) {
	f.Helper()
	if update {
		must(f.ArtifactService.UpdateArtifact(by, &b2bv1.UpdateArtifactRequest{ThreadId: thread, ArtifactKey: key, Content: new("x")}))
		return
	}
	must(f.ArtifactService.AddArtifact(by, &b2bv1.AddArtifactRequest{ThreadId: thread, ArtifactKey: &key, Content: new("x")}))
}

func (f *fixture) audits(org, action string) []store.AuditEntry {
	f.Helper()
	return must(f.Audit(f.ctx, store.AuditQuery{OrgID: org, Action: action, Limit: 100}))
}

// want compares the printed forms of two values.
func (f *fixture) want(what string, got, want any) {
	f.Helper()
	if g, x := fmt.Sprint(got), fmt.Sprint(want); g != x {
		f.Errorf("%s: got %s, want %s", what, g, x)
	}
}
