package retention_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/node"
	"github.com/b2b-protocol/b2b/internal/retention"
	"github.com/b2b-protocol/b2b/internal/service"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/waittest"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

const day = 24 * time.Hour

// B2B-LIFE-001, 005: idle threads are closed, with events and an audit entry.
func TestIdleThreadsAreClosed(t *testing.T) {
	t.Parallel()
	onEach(t, func(f *fixture) {
		f.org("o")
		a, b := f.bot("o", "ann"), f.bot("o", "bob")
		var idle []string
		for _, status := range []b2bv1.ThreadStatus{0, b2bv1.ThreadStatus_THREAD_STATUS_BLOCKED, b2bv1.ThreadStatus_THREAD_STATUS_REVIEWING} {
			th := f.thread(a, "idle", "bob")
			if status != 0 {
				f.status(a, th.Id, status)
			}
			idle = append(idle, th.Id)
		}
		resolved := f.thread(a, "resolved").Id
		f.status(a, resolved, b2bv1.ThreadStatus_THREAD_STATUS_RESOLVED)
		used := f.thread(a, "used").Id
		f.advance(day)
		f.post(a, used, "still here")
		f.do("lifecycle") // off
		f.settings("o", func(r *b2bv1.UpdateOrgSettingsRequest) { r.ThreadAutoCloseDays = new(int64(2)) })
		f.advance(day)
		f.do("lifecycle") // exactly two days: not yet
		for _, id := range append(idle, used) {
			if f.get(a, id).Status == b2bv1.ThreadStatus_THREAD_STATUS_CLOSED {
				f.Fatalf("thread %s was closed early", id)
			}
		}
		top := must(f.LogTop(f.ctx, "o")).Seq
		revision := f.get(a, idle[0]).Revision
		f.advance(6 * time.Hour)
		f.do("lifecycle")
		for _, id := range idle {
			th := f.get(b, id)
			if th.Status != b2bv1.ThreadStatus_THREAD_STATUS_CLOSED || th.GetCloseReason() != b2bv1.CloseReason_CLOSE_REASON_TIMEOUT ||
				th.LastActivityAt.AsTime().UnixMilli() != f.clock.Load() || th.UpdatedAt.AsTime().UnixMilli() != f.clock.Load() {
				f.Errorf("not closed: %v", th)
			}
		}
		f.want("revision", f.get(a, idle[0]).Revision, revision+1)
		f.want("the used one", f.get(a, used).Status, b2bv1.ThreadStatus_THREAD_STATUS_ACTIVE)
		f.want("the resolved one", f.get(a, resolved).Status, b2bv1.ThreadStatus_THREAD_STATUS_RESOLVED)

		events := map[string]int{}
		for _, row := range must(f.ReadLog(f.ctx, "o", top, 100)) {
			events[row.Type]++
			e := &b2bv1.Event{}
			if err := proto.Unmarshal(row.Payload, e); err != nil {
				f.Fatal(err)
			}
			if c := e.GetThreadStatusChanged(); c != nil && (c.By != "system" || c.To != b2bv1.ThreadStatus_THREAD_STATUS_CLOSED) {
				f.Errorf("thread_status_changed: %v", c)
			}
			if row.ActorID != nil || row.Audience != store.AudienceThread {
				f.Errorf("%s: by %v to audience %d", row.Type, row.ActorID, row.Audience)
			}
		}
		f.want("events", events, map[string]int{"thread_status_changed": 3, "thread_updated": 3})
		f.want("audited changes", len(f.audits("o", "thread.status_changed")), 3+3)
		entries := f.audits("o", "lifecycle.cleanup")
		if len(entries) != 1 || *entries[0].Detail != `{"threads_closed":3}` || entries[0].BotID != nil ||
			entries[0].TargetType != "org" || entries[0].TargetID != "o" {
			f.Errorf("lifecycle.cleanup: %+v", entries)
		}
		f.status(a, idle[0], b2bv1.ThreadStatus_THREAD_STATUS_ACTIVE) // and it can be opened again
		f.advance(6 * time.Hour)
		f.do("lifecycle")
		f.want("cleanup entries of a run without changes", len(f.audits("o", "lifecycle.cleanup")), 1)
	})
}

// B2B-LIFE-002, 003, 005: messages and artifact versions are removed after the days of the
// settings, in many steps with one audit entry. Those of open threads and of other orgs stay, and
// so do the events about the messages.
func TestOldMessagesAndArtifactsAreRemoved(t *testing.T) {
	t.Parallel()
	onEach(t, func(f *fixture) {
		const many = 603
		for _, org := range []string{"o", "p"} {
			f.org(org)
			f.settings(org, func(*b2bv1.UpdateOrgSettingsRequest) {})
		}
		a, b, x := f.bot("o", "ann"), f.bot("o", "bob"), f.bot("p", "ann")
		f.bot("p", "bob")
		channel := f.dm(a, "bob", "first").ChannelId
		for i := range many - 1 {
			if i%2 == 0 {
				f.dm(a, "bob", "old")
			} else {
				f.dm(b, "ann", "old")
			}
		}
		foreign := f.dm(x, "bob", "foreign").ChannelId
		replied := map[string]string{} // by thread: the message that another one replies to
		open, done := f.thread(a, "open", "bob").Id, f.thread(a, "done", "bob").Id
		for _, id := range []string{open, done} {
			replied[id] = f.post(a, id, "old")
			f.artifact(a, id, "plan", false)
			f.artifact(a, id, "gone", false)
		}
		f.advance(3 * day)
		f.dm(a, "bob", "new")
		for id, parent := range replied {
			must(f.ThreadService.SendThreadMessage(a, &b2bv1.SendThreadMessageRequest{ThreadId: id, Content: new("new"), ReplyTo: &parent}))
		}
		f.artifact(a, done, "plan", true)
		f.status(a, done, b2bv1.ThreadStatus_THREAD_STATUS_RESOLVED)
		f.settings("o", func(r *b2bv1.UpdateOrgSettingsRequest) {
			r.MessageTtlDays, r.ArtifactRetentionDays = new(int64(3)), new(int64(3))
		})
		f.do("lifecycle")
		f.want("cleanup entries on the last day", len(f.audits("o", "lifecycle.cleanup")), 0)
		f.advance(day)
		f.do("lifecycle")

		direct := must(f.ChannelHistory(f.ctx, channel, "", 10))
		if len(direct) != 1 || direct[0].Content != "new" {
			f.Errorf("direct messages left: %d", len(direct))
		}
		content := map[string]int{} // of the events, which stay
		for at := int64(0); ; {
			rows := must(f.ReadLog(f.ctx, "o", at, 1000))
			if len(rows) == 0 {
				break
			}
			for i := range rows {
				event := must(eventlog.Decode(&rows[i]))
				if m := event.GetMessage(); m != nil {
					content[m.GetMessage().GetContent()]++
				} else if m := event.GetThreadMessage(); m != nil {
					content["in a thread: "+m.GetMessage().GetContent()]++
				}
			}
			at = rows[len(rows)-1].Seq
		}
		f.want("contents of events", content, map[string]int{"first": 1, "old": many - 1, "new": 1, "in a thread: old": 2, "in a thread: new": 2})
		f.want("messages of another org", len(must(f.ChannelHistory(f.ctx, foreign, "", 10))), 1)
		f.want("messages of the open thread", len(must(f.ThreadHistory(f.ctx, open, "", 10))), 2)
		f.want("messages of the resolved thread", len(must(f.ThreadHistory(f.ctx, done, "", 10))), 1)
		for id, parent := range map[string]string{open: replied[open], done: ""} { // a reply stays when its parent is removed
			r := must(f.ThreadHistory(f.ctx, id, "", 1))[0]
			if (r.ReplyTo != nil) != (parent != "") || (r.ReplyToID != nil) != (parent != "") {
				f.Errorf("the reply in %s: %+v", id, r)
			}
		}
		f.want("keys of the open thread", len(must(f.Artifacts(f.ctx, open, nil, 10))), 2)
		left := must(f.ArtifactVersions(f.ctx, done, "plan", 0, 10))
		if len(left) != 1 || left[0].Version != 2 {
			f.Errorf("versions left: %+v", left)
		}
		f.want("keys of the resolved thread", len(must(f.Artifacts(f.ctx, done, nil, 10))), 1)
		entries := f.audits("o", "lifecycle.cleanup")
		if len(entries) != 1 || *entries[0].Detail != fmt.Sprintf(`{"artifacts_deleted":2,"messages_deleted":%d}`, many+1) {
			f.Errorf("lifecycle.cleanup: %+v", entries)
		}
		f.want("the other org's audit", len(f.audits("p", "lifecycle.cleanup")), 0)
		f.settings("o", func(r *b2bv1.UpdateOrgSettingsRequest) { r.MessageTtlDays = new(int64(1) << 62) }) // more days than have passed since 1970
		f.advance(6 * time.Hour)
		f.do("lifecycle")
	})
}

// B2B-LIFE-004, 006: audit entries stay for 90 days, events for 30, saved responses for one.
func TestRetentionPeriods(t *testing.T) {
	t.Parallel()
	onEach(t, func(f *fixture) {
		f.org("o")
		a := f.bot("o", "ann")
		f.bot("o", "bob")
		to, content := "bob", "hi"
		send := &b2bv1.SendDirectMessageRequest{To: &to, Content: &content, RequestId: new("r")}
		first := must(f.ChannelService.SendDirectMessage(a, send))
		counts := func() string { // audit entries, events, whether the saved response is returned
			events := must(f.ReadLog(f.ctx, "o", 0, 100))
			again := must(f.ChannelService.SendDirectMessage(a, send))
			return fmt.Sprint(len(f.audits("o", "message.send")), len(events), again.Message.Id == first.Message.Id)
		}
		f.update("o", func(tx store.Tx) error {
			return errors.Join(
				tx.CreateSession(f.ctx, &store.Session{Hash: "s", Ref: "s", Role: store.RoleOrgAdmin, OrgID: new("o"), ExpiresAt: f.clock.Load() + 1000}),
				tx.CreateTicket(f.ctx, &store.OrgTicket{ID: "t", IDHash: new("t"), OrgID: "o", ExpiresAt: f.clock.Load() + 1000}),
				tx.CreateToken(f.ctx, &store.Token{ID: "k", BotID: "o-ann", TokenHash: "k", Scopes: "[]", ExpiresAt: new(f.clock.Load() + 1000)}),
			)
		})
		f.advance(day)
		f.do("expired")
		f.do("lifecycle")
		f.want("after a day", counts(), "1 2 true") // channel_created, message
		_, err := f.SessionByHash(f.ctx, "s")
		f.want("expired session", err, store.ErrNotFound)
		must(f.Ticket(f.ctx, "t"))
		must(f.TokenByHash(f.ctx, "k"))
		f.advance(time.Hour)
		f.do("expired")
		_, err = f.Ticket(f.ctx, "t")
		f.want("expired ticket", err, store.ErrNotFound)
		_, err = f.TokenByHash(f.ctx, "k")
		f.want("expired token", err, store.ErrNotFound)
		f.want("unused rates", len(must(f.OldRates(f.ctx, f.clock.Load(), "", 10))), 0)
		f.want("after 25 hours", counts(), "2 2 false") // the retry sends a second message
		f.advance(31 * day)
		f.do("lifecycle")
		f.want("events after 31 days", len(must(f.ReadLog(f.ctx, "o", 0, 100))), 0)
		f.want("entries after 31 days", len(f.audits("o", "message.send")), 2)
		f.advance(60 * day)
		f.do("lifecycle")
		f.want("entries after 91 days", len(f.audits("o", "message.send")), 0)
		f.want("top of the log", must(f.LogTop(f.ctx, "o")).Seq, 3)
	})
}

// B2B-LIFE-007: one node at a time runs a job, and another one after its lease has expired.
func TestOneNodeRunsAJob(t *testing.T) {
	t.Parallel()
	onEach(t, func(f *fixture) {
		f.org("o")
		f.org("p")
		started, release := make(chan string), make(chan error)
		runner := func(n *node.Node) *retention.Runner {
			name := n.ID
			return retention.New(retention.Config{
				Store: store.Narrow(f.Store, func(tx store.Tx) retention.Tx { return tx }), Node: n, Now: f.now, Log: slog.New(slog.DiscardHandler),
				Orgs: orgsFunc(func(ctx context.Context, org string, step retention.Step) error {
					started <- name + " " + org
					if err := <-release; err != nil {
						return err
					}
					return step(ctx, func(int, func()) error { return nil })
				}),
			})
		}
		second := f.node("two")
		one, two := runner(f.node("one")), runner(second)
		results := make(chan error)
		go func() {
			_, err := one.Do(f.ctx, "lifecycle")
			results <- err
		}()
		f.want("first", <-started, "one o")
		did, err := two.Do(f.ctx, "lifecycle")
		f.want("while one works", fmt.Sprint(did, err), "false <nil>")
		f.advance(time.Minute) // the lease of node one ends
		if err := second.Renew(f.ctx); err != nil {
			f.Fatal(err)
		}
		go func() {
			_, err := two.Do(f.ctx, "lifecycle")
			results <- err
		}()
		f.want("after the lease", <-started, "two o")
		release <- nil // one each: node one fails when it makes its next step
		release <- nil
		var failed error
		for range 2 {
			select {
			case name := <-started:
				f.want("the next org", name, "two p")
				release <- nil
			case err := <-results:
				failed = errors.Join(failed, err)
			}
		}
		failed = errors.Join(failed, <-results)
		if failed == nil {
			f.Error("node one did not notice that its lease had expired")
		}
		did, err = one.Do(f.ctx, "lifecycle")
		f.want("done just now", fmt.Sprint(did, err), "false <nil>")
		if _, err := one.Do(f.ctx, "nothing"); err == nil {
			f.Error("an unknown job was done")
		}
	})
}

type orgsFunc func(ctx context.Context, org string, step retention.Step) error

func (f orgsFunc) KeepOrg(ctx context.Context, org string, step retention.Step) error {
	return f(ctx, org, step)
}

func (orgsFunc) SettleLeases(context.Context, string) error  { return nil }
func (orgsFunc) SettleInboxes(context.Context, string) error { return nil }

func (orgsFunc) SettleDecisions(context.Context, string) error { return nil }
func (orgsFunc) SettleDeadlines(context.Context, string) error { return nil }

// B2B-ORG-006: no call finds a destroyed org, any node removes its rows and files, and a
// removal that failed half way is repeated.
func TestDestroyedOrgsAreRemoved(t *testing.T) {
	t.Parallel()
	onEach(t, func(f *fixture) {
		const many = 350
		for _, org := range []string{"gone", "kept"} {
			f.org(org)
			f.settings(org, func(*b2bv1.UpdateOrgSettingsRequest) {})
			a := f.bot(org, "ann")
			f.bot(org, "bob")
			for range many {
				f.dm(a, "bob", "x")
			}
			id := f.thread(a, "t", "bob").Id
			f.post(a, id, "x")
			f.artifact(a, id, "k", false)
		}
		destroyed := 0
		deps := f.deps
		deps.OrgEnded = func() { destroyed++ }
		platform := service.New(deps).PlatformService
		super := f.as(&call.Caller{Kind: call.SuperAdmin})
		request := &b2bv1.DeleteOrgRequest{OrgId: "gone", RequestId: new("r")}
		must(platform.DeleteOrg(super, request))
		must(platform.DeleteOrg(super, request)) // the same request
		f.want("calls of OrgEnded", destroyed, 2)
		_, err := platform.DeleteOrg(super, &b2bv1.DeleteOrgRequest{OrgId: "gone"})
		var refused *call.Error
		if !errors.As(err, &refused) || refused.Code != b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND {
			f.Errorf("destroyed twice: %v", err)
		}

		failing := errors.New("the files cannot be removed")
		removals := 0
		runner := retention.New(retention.Config{
			Store: store.Narrow(f.Store, func(tx store.Tx) retention.Tx { return tx }), Node: f.node("n"), Now: f.now, Log: slog.New(slog.DiscardHandler),
			RemoveFiles: func(_ context.Context, org string) error {
				if removals++; removals == 1 {
					return failing
				}
				f.want("files removed of", org, "gone")
				return nil
			},
		})
		if _, err := runner.Do(f.ctx, "ended"); !errors.Is(err, failing) {
			f.Errorf("the failure is not returned: %v", err)
		}
		f.want("orgs still to be removed", must(f.EndedOrgs(f.ctx, 10)), []string{"gone"})
		if did, err := runner.Do(f.ctx, "ended"); err != nil || !did {
			f.Fatalf("again: %v, %v", did, err)
		}
		_, err = f.LogTop(f.ctx, "gone")
		f.want("the log", err, store.ErrNotFound)
		f.want("bots", must(f.CountBots(f.ctx, "gone")), 0)
		must(platform.DeleteOrg(super, request)) // returns the saved response
		f.want("bots of the other org", must(f.CountBots(f.ctx, "kept")), 2)
		stats := must(f.PlatformStats(f.ctx, 0))
		f.want("messages", stats.MessageCount, many+1)
		did, err := runner.Do(f.ctx, "ended")
		f.want("a run without ended orgs", fmt.Sprint(did, err), "false <nil>")
	})
}

// failingStore fails after a number of changes, like the store of a node that is killed.
type failingStore struct {
	*sqlstore.Store
	changes int // that still succeed
}

var errKilled = errors.New("killed")

func (s *failingStore) Update(ctx context.Context, org string, fn func(store.Tx) error) error {
	if s.changes--; s.changes < 0 {
		return errKilled
	}
	return s.Store.Update(ctx, org, fn)
}

// B2B-LIFE-006, 007: when a node is killed while it removes an org, another node removes
// the rest after the lease has expired.
func TestKilledWhileRemoving(t *testing.T) {
	t.Parallel()
	onEach(t, func(f *fixture) {
		f.org("o")
		f.settings("o", func(*b2bv1.UpdateOrgSettingsRequest) {})
		a := f.bot("o", "ann")
		f.bot("o", "bob")
		channel := ""
		for range 350 {
			channel = f.dm(a, "bob", "x").ChannelId
		}
		f.update("o", func(tx store.Tx) error { return tx.EndOrg(f.ctx, "o") })
		killed := retention.New(retention.Config{
			// Three changes: one takes the lease, two are steps.
			Store: store.Narrow(&failingStore{f.Store, 3}, func(tx store.Tx) retention.Tx { return tx }), Node: f.node("killed"), Now: f.now, Log: slog.New(slog.DiscardHandler),
		})
		_, err := killed.Do(f.ctx, "ended")
		f.want("killed", errors.Is(err, errKilled), true)
		left := len(must(f.ChannelHistory(f.ctx, channel, "", 1000)))
		if left == 0 || left == 350 {
			f.Errorf("%d messages are left: it was not killed half way", left)
		}
		did, err := f.runner("next").Do(f.ctx, "ended")
		f.want("before the lease expires", fmt.Sprint(did, err), "false <nil>")
		f.advance(time.Minute)
		did, err = f.runner("next").Do(f.ctx, "ended")
		f.want("after the lease has expired", fmt.Sprint(did, err), "true <nil>")
		_, err = f.LogTop(f.ctx, "o")
		f.want("the log", err, store.ErrNotFound)
		f.want("messages", must(f.PlatformStats(f.ctx, 0)).MessageCount, 0)
	})
}

// Run runs the due jobs at the start and after Wake, and ends with its context.
// Logs that were not indexed by the changes that appended their events are indexed by a job, step
// by step; not those of orgs that have ended, nor for few events.
func TestLogsAreIndexed(t *testing.T) {
	t.Parallel()
	onEach(t, func(f *fixture) {
		scope := "t"
		for org, events := range map[string]int{"o": 200, "p": 40, "few": 3, "ended": 40} {
			f.org(org)
			f.update(org, func(tx store.Tx) error {
				for range events {
					e := store.Event{At: f.clock.Load(), Type: "x", Audience: store.AudienceThread, ThreadID: &scope}
					if _, err := tx.Append(f.ctx, e); err != nil {
						return err
					}
				}
				return nil
			})
		}
		f.update("ended", func(tx store.Tx) error { return tx.EndOrg(f.ctx, "ended") })
		behind := func(least int64) string { return fmt.Sprint(must(f.LogsBehind(f.ctx, least, "", 10))) }
		f.want("behind", behind(10), "[o p]")
		f.want("behind by one", behind(1), "[few o p]")
		f.want("after the first", fmt.Sprint(must(f.LogsBehind(f.ctx, 1, "few", 1))), "[o]")
		f.do("index")
		f.want("behind after the job", behind(32), "[]")
		f.want("behind with few events", strings.Contains(behind(1), "few"), true)
		did, err := f.runner("r").Do(f.ctx, "index")
		f.want("with nothing to do", fmt.Sprint(did, err), "false <nil>")
	})
}

// A run of the job that indexes logs ends after some steps, so other jobs do not wait until all logs
// are indexed, and the next run continues.
func TestIndexRunIsBounded(t *testing.T) {
	t.Parallel()
	onEach(t, func(f *fixture) {
		scope, orgs := "t", 40
		for i := range orgs {
			org := fmt.Sprint("o", i)
			f.org(org)
			f.update(org, func(tx store.Tx) error {
				for range 40 {
					e := store.Event{At: f.clock.Load(), Type: "x", Audience: store.AudienceThread, ThreadID: &scope}
					if _, err := tx.Append(f.ctx, e); err != nil {
						return err
					}
				}
				return nil
			})
		}
		behind := func() int { return len(must(f.LogsBehind(f.ctx, 32, "", 100))) }
		f.do("index")
		if n := behind(); n == 0 || n >= orgs {
			f.Errorf("%d of %d logs are behind after one run", n, orgs)
		}
		for runs := 0; behind() > 0; runs++ {
			if runs == orgs {
				f.Fatalf("%d logs are behind after %d runs", behind(), runs)
			}
			f.do("index")
		}
	})
}

// growing is a store with logs that are behind their index. The log of an org of endless grows as
// fast as it is indexed.
type growing struct {
	retention.Store
	behind  map[string]int
	endless string
}

func (g *growing) LogsBehind(_ context.Context, least int64, after string, limit int) (orgs []string, _ error) {
	for org, n := range g.behind {
		if org > after && n >= int(least) {
			orgs = append(orgs, org)
		}
	}
	slices.Sort(orgs)
	return orgs[:min(len(orgs), limit)], nil
}

func (g *growing) Update(ctx context.Context, org string, fn func(retention.Tx) error) error {
	if org == "" {
		return g.Store.Update(ctx, org, fn)
	}
	return fn(growingLog{g: g, org: org})
}

// growingLog is a change of one of them.
type growingLog struct {
	retention.Tx
	g   *growing
	org string
}

func (l growingLog) IndexLog(_ context.Context, limit int) (int, error) {
	n := min(limit, l.g.behind[l.org])
	if !strings.Contains(l.g.endless, l.org) {
		l.g.behind[l.org] -= n
	}
	return n, nil
}

// Logs that grow as fast as they are indexed keep those of other orgs waiting for no longer than
// their share.
func TestLogsAreIndexedInTurn(t *testing.T) {
	t.Parallel()
	f := newFixture(t, filepath.Join(t.TempDir(), "b2b.db"))
	for _, endless := range []string{"a", "c", "ab", ""} {
		g := &growing{
			Store:   store.Narrow(f.Store, func(tx store.Tx) retention.Tx { return tx }),
			behind:  map[string]int{"a": 100_000, "b": 100_000, "c": 100_000, "d": 40},
			endless: endless,
		}
		if endless == "" {
			g.behind = map[string]int{"a": 40, "d": 40}
		}
		r := retention.New(retention.Config{Store: g, Node: f.node("n" + endless), Now: f.now, Log: slog.New(slog.DiscardHandler)})
		for range 2 {
			if _, err := r.Do(f.ctx, "index"); err != nil {
				t.Fatal(err)
			}
		}
		for org, n := range g.behind {
			if !strings.Contains(endless, org) && (n == 40 || n == 100_000) {
				t.Errorf("%s waits while the logs of %q grow", org, endless)
			}
		}
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	onEach(t, func(f *fixture) {
		f.org("o")
		r := f.runner("n")
		ctx, cancel := context.WithCancel(f.ctx)
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		f.update("o", func(tx store.Tx) error { return tx.EndOrg(f.ctx, "o") })
		r.Wake()
		waittest.Until(f, "the org is removed", func() bool {
			ended, err := f.EndedOrgs(f.ctx, 1)
			f.want("ended", err, nil)
			return len(ended) == 0
		})
		cancel()
		f.want("result of Run", <-done, nil)
	})
}
