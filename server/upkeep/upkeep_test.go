package upkeep_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/service"
	"github.com/b2b-protocol/b2b/server/store"
	"github.com/b2b-protocol/b2b/server/upkeep"
)

const day = 24 * time.Hour

// B2B-LIFE-001, 005: threads that nobody uses are closed, and that is told.
func TestIdleThreadsAreClosed(t *testing.T) {
	onEach(t, func(w *world) {
		w.org("o")
		a, b := w.bot("o", "ann"), w.bot("o", "bob")
		var idle []string
		for _, status := range []b2bv1.ThreadStatus{0, b2bv1.ThreadStatus_THREAD_STATUS_BLOCKED, b2bv1.ThreadStatus_THREAD_STATUS_REVIEWING} {
			th := w.thread(a, "idle", "bob")
			if status != 0 {
				w.status(a, th.Id, status)
			}
			idle = append(idle, th.Id)
		}
		resolved := w.thread(a, "resolved").Id
		w.status(a, resolved, b2bv1.ThreadStatus_THREAD_STATUS_RESOLVED)
		used := w.thread(a, "used").Id
		w.sleep(day)
		w.post(a, used, "still here")
		w.do("lifecycle") // off
		w.settings("o", func(r *b2bv1.UpdateOrgSettingsRequest) { r.ThreadAutoCloseDays = new(int64(2)) })
		w.sleep(day)
		w.do("lifecycle") // exactly two days: not yet
		for _, id := range append(idle, used) {
			if w.get(a, id).Status == b2bv1.ThreadStatus_THREAD_STATUS_CLOSED {
				w.Fatalf("thread %s was closed early", id)
			}
		}
		top := must(w.LogTop(w.ctx, "o")).Seq
		revision := w.get(a, idle[0]).Revision
		w.sleep(6 * time.Hour)
		w.do("lifecycle")
		for _, id := range idle {
			th := w.get(b, id)
			if th.Status != b2bv1.ThreadStatus_THREAD_STATUS_CLOSED || th.GetCloseReason() != b2bv1.CloseReason_CLOSE_REASON_TIMEOUT ||
				th.LastActivityAt.AsTime().UnixMilli() != w.clock.Load() || th.UpdatedAt.AsTime().UnixMilli() != w.clock.Load() {
				w.Errorf("not closed: %v", th)
			}
		}
		w.want("revision", w.get(a, idle[0]).Revision, revision+1)
		w.want("the used one", w.get(a, used).Status, b2bv1.ThreadStatus_THREAD_STATUS_ACTIVE)
		w.want("the resolved one", w.get(a, resolved).Status, b2bv1.ThreadStatus_THREAD_STATUS_RESOLVED)

		told := map[string]int{}
		for _, row := range must(w.ReadLog(w.ctx, "o", top, 100)) {
			told[row.Type]++
			e := &b2bv1.Event{}
			if err := proto.Unmarshal(row.Payload, e); err != nil {
				w.Fatal(err)
			}
			if c := e.GetThreadStatusChanged(); c != nil && (c.By != "system" || c.To != b2bv1.ThreadStatus_THREAD_STATUS_CLOSED) {
				w.Errorf("told: %v", c)
			}
			if row.ActorID != nil || row.Audience != store.AudienceThread {
				w.Errorf("%s: by %v to audience %d", row.Type, row.ActorID, row.Audience)
			}
		}
		w.want("events", told, map[string]int{"thread_status_changed": 3, "thread_updated": 3})
		w.want("audited changes", len(w.audits("o", "thread.status_changed")), 3+3)
		entries := w.audits("o", "lifecycle.cleanup")
		if len(entries) != 1 || *entries[0].Detail != `{"threads_closed":3}` || entries[0].BotID != nil ||
			entries[0].TargetType != "org" || entries[0].TargetID != "o" {
			w.Errorf("lifecycle.cleanup: %+v", entries)
		}
		w.status(a, idle[0], b2bv1.ThreadStatus_THREAD_STATUS_ACTIVE) // and it can be opened again
		w.sleep(6 * time.Hour)
		w.do("lifecycle")
		w.want("nothing to tell", len(w.audits("o", "lifecycle.cleanup")), 1)
	})
}

// B2B-LIFE-002, 003, 005: messages and versions go after their days, those of open
// threads stay, other orgs are not touched; many go in many steps and one entry tells.
func TestOldMessagesAndArtifactsGo(t *testing.T) {
	onEach(t, func(w *world) {
		const many = 603
		for _, org := range []string{"o", "p"} {
			w.org(org)
			w.settings(org, func(*b2bv1.UpdateOrgSettingsRequest) {})
		}
		a, b, x := w.bot("o", "ann"), w.bot("o", "bob"), w.bot("p", "ann")
		w.bot("p", "bob")
		channel := w.dm(a, "bob", "first").ChannelId
		for i := range many - 1 {
			if i%2 == 0 {
				w.dm(a, "bob", "old")
			} else {
				w.dm(b, "ann", "old")
			}
		}
		foreign := w.dm(x, "bob", "foreign").ChannelId
		replied := map[string]string{} // by thread: the message that another one replies to
		open, done := w.thread(a, "open", "bob").Id, w.thread(a, "done", "bob").Id
		for _, id := range []string{open, done} {
			replied[id] = w.post(a, id, "old")
			w.artifact(a, id, "plan", false)
			w.artifact(a, id, "gone", false)
		}
		w.sleep(3 * day)
		w.dm(a, "bob", "new")
		for id, parent := range replied {
			must(w.ThreadService.SendThreadMessage(a, &b2bv1.SendThreadMessageRequest{ThreadId: id, Content: new("new"), ReplyTo: &parent}))
		}
		w.artifact(a, done, "plan", true)
		w.status(a, done, b2bv1.ThreadStatus_THREAD_STATUS_RESOLVED)
		w.settings("o", func(r *b2bv1.UpdateOrgSettingsRequest) {
			r.MessageTtlDays, r.ArtifactRetentionDays = new(int64(3)), new(int64(3))
		})
		w.do("lifecycle")
		w.want("nothing yet", len(w.audits("o", "lifecycle.cleanup")), 0)
		w.sleep(day)
		w.do("lifecycle")

		direct := must(w.ChannelHistory(w.ctx, channel, "", 10))
		if len(direct) != 1 || direct[0].Content != "new" {
			w.Errorf("direct messages left: %d", len(direct))
		}
		w.want("another org's", len(must(w.ChannelHistory(w.ctx, foreign, "", 10))), 1)
		w.want("in the open thread", len(must(w.ThreadHistory(w.ctx, open, "", 10))), 2)
		w.want("in the resolved thread", len(must(w.ThreadHistory(w.ctx, done, "", 10))), 1)
		for id, parent := range map[string]string{open: replied[open], done: ""} { // a reply outlives what it replies to
			r := must(w.ThreadHistory(w.ctx, id, "", 1))[0]
			if (r.ReplyTo != nil) != (parent != "") || (r.ReplyToID != nil) != (parent != "") {
				w.Errorf("the reply in %s: %+v", id, r)
			}
		}
		w.want("keys of the open thread", len(must(w.Artifacts(w.ctx, open, nil, 10))), 2)
		left := must(w.ArtifactVersions(w.ctx, done, "plan", 0, 10))
		if len(left) != 1 || left[0].Version != 2 {
			w.Errorf("versions left: %+v", left)
		}
		w.want("keys of the resolved thread", len(must(w.Artifacts(w.ctx, done, nil, 10))), 1)
		entries := w.audits("o", "lifecycle.cleanup")
		if len(entries) != 1 || *entries[0].Detail != fmt.Sprintf(`{"artifacts_deleted":2,"messages_deleted":%d}`, many+1) {
			w.Errorf("lifecycle.cleanup: %+v", entries)
		}
		w.want("the other org's audit", len(w.audits("p", "lifecycle.cleanup")), 0)
		w.settings("o", func(r *b2bv1.UpdateOrgSettingsRequest) { r.MessageTtlDays = new(int64(1) << 62) }) // more days than time has
		w.sleep(6 * time.Hour)
		w.do("lifecycle")
	})
}

// B2B-LIFE-004, 006: audit entries stay 90 days, events 30, remembered answers one.
func TestWhatIsKeptForAWhile(t *testing.T) {
	onEach(t, func(w *world) {
		w.org("o")
		a := w.bot("o", "ann")
		w.bot("o", "bob")
		to, content := "bob", "hi"
		send := &b2bv1.SendDirectMessageRequest{To: &to, Content: &content, RequestId: new("r")}
		first := must(w.ChannelService.SendDirectMessage(a, send))
		counts := func() string {
			events := must(w.ReadLog(w.ctx, "o", 0, 100))
			again := must(w.ChannelService.SendDirectMessage(a, send))
			return fmt.Sprint(len(w.audits("o", "message.send")), len(events), again.Message.Id == first.Message.Id)
		}
		w.update("o", func(tx store.Tx) error {
			return errors.Join(
				tx.CreateSession(w.ctx, &store.Session{Hash: "s", Ref: "s", Role: store.RoleOrgAdmin, OrgID: new("o"), ExpiresAt: w.clock.Load() + 1000}),
				tx.CreateTicket(w.ctx, &store.OrgTicket{ID: "t", IDHash: new("t"), OrgID: "o", ExpiresAt: w.clock.Load() + 1000}),
				tx.CreateToken(w.ctx, &store.Token{ID: "k", BotID: "o-ann", TokenHash: "k", Scopes: "[]", ExpiresAt: new(w.clock.Load() + 1000)}),
			)
		})
		w.sleep(day)
		w.do("expired")
		w.do("lifecycle")
		w.want("after a day", counts(), "1 2 true") // channel_created, message
		_, err := w.SessionByHash(w.ctx, "s")
		w.want("expired session", err, store.ErrNotFound)
		must(w.Ticket(w.ctx, "t"))
		must(w.TokenByHash(w.ctx, "k"))
		w.sleep(time.Hour)
		w.do("expired")
		_, err = w.Ticket(w.ctx, "t")
		w.want("expired ticket", err, store.ErrNotFound)
		_, err = w.TokenByHash(w.ctx, "k")
		w.want("expired token", err, store.ErrNotFound)
		w.want("unused rates", len(must(w.OldRates(w.ctx, w.clock.Load(), "", 10))), 0)
		w.want("after 25 hours", counts(), "2 2 false") // and so it is sent again
		w.sleep(31 * day)
		w.do("lifecycle")
		w.want("events after 31 days", len(must(w.ReadLog(w.ctx, "o", 0, 100))), 0)
		w.want("entries after 31 days", len(w.audits("o", "message.send")), 2)
		w.sleep(60 * day)
		w.do("lifecycle")
		w.want("entries after 91 days", len(w.audits("o", "message.send")), 0)
		w.want("top of the log", must(w.LogTop(w.ctx, "o")).Seq, 3)
	})
}

// B2B-LIFE-007: a job is done by one node at a time, and by another when that dies.
func TestOneNodeAtATime(t *testing.T) {
	onEach(t, func(w *world) {
		w.org("o")
		w.org("p")
		started, release := make(chan string), make(chan error)
		node := func(name string) *upkeep.Runner {
			return upkeep.New(upkeep.Config{
				Store: w.Store, Node: name, Now: w.now, Log: slog.New(slog.DiscardHandler),
				Orgs: orgsFunc(func(ctx context.Context, org string, step upkeep.Step) error {
					started <- name + " " + org
					if err := <-release; err != nil {
						return err
					}
					return step(ctx, func(store.Tx, int) error { return nil })
				}),
			})
		}
		one, two := node("one"), node("two")
		results := make(chan error)
		go func() {
			_, err := one.Do(w.ctx, "lifecycle")
			results <- err
		}()
		w.want("first", <-started, "one o")
		did, err := two.Do(w.ctx, "lifecycle")
		w.want("while one works", fmt.Sprint(did, err), "false <nil>")
		w.sleep(time.Minute) // one is slow, or dead
		go func() {
			_, err := two.Do(w.ctx, "lifecycle")
			results <- err
		}()
		w.want("then", <-started, "two o")
		release <- nil // one or two: whoever hears it finds out whose job it is
		release <- nil
		var failed error
		for range 2 {
			select {
			case name := <-started:
				w.want("goes on", name, "two p")
				release <- nil
			case err := <-results:
				failed = errors.Join(failed, err)
			}
		}
		failed = errors.Join(failed, <-results)
		if failed == nil {
			w.Error("one did not notice that it had lost the job")
		}
		did, err = one.Do(w.ctx, "lifecycle")
		w.want("done just now", fmt.Sprint(did, err), "false <nil>")
		if _, err := one.Do(w.ctx, "nothing"); err == nil {
			w.Error("an unknown job was done")
		}
	})
}

type orgsFunc func(ctx context.Context, org string, step upkeep.Step) error

func (f orgsFunc) KeepOrg(ctx context.Context, org string, step upkeep.Step) error {
	return f(ctx, org, step)
}

// B2B-ORG-006: an org that was destroyed is gone at once for everybody, and what it
// leaves is removed, also by a node that did not destroy it, and again when that
// failed half way.
func TestDestroyedOrgsGo(t *testing.T) {
	onEach(t, func(w *world) {
		const many = 350
		for _, org := range []string{"gone", "kept"} {
			w.org(org)
			w.settings(org, func(*b2bv1.UpdateOrgSettingsRequest) {})
			a := w.bot(org, "ann")
			w.bot(org, "bob")
			for range many {
				w.dm(a, "bob", "x")
			}
			id := w.thread(a, "t", "bob").Id
			w.post(a, id, "x")
			w.artifact(a, id, "k", false)
		}
		destroyed := 0
		deps := w.deps
		deps.OrgEnded = func() { destroyed++ }
		platform := service.New(deps).PlatformService
		super := w.as(&call.Caller{Kind: call.SuperAdmin})
		request := &b2bv1.DeleteOrgRequest{OrgId: "gone", RequestId: new("r")}
		must(platform.DeleteOrg(super, request))
		must(platform.DeleteOrg(super, request)) // the same request
		w.want("heard of", destroyed, 2)
		_, err := platform.DeleteOrg(super, &b2bv1.DeleteOrgRequest{OrgId: "gone"})
		var told *call.Error
		if !errors.As(err, &told) || told.Code != b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND {
			w.Errorf("destroyed twice: %v", err)
		}

		failing := errors.New("the files cannot be removed")
		left := 0
		runner := upkeep.New(upkeep.Config{
			Store: w.Store, Node: "n", Now: w.now, Log: slog.New(slog.DiscardHandler),
			Left: func(_ context.Context, org string) error {
				if left++; left == 1 {
					return failing
				}
				w.want("left by", org, "gone")
				return nil
			},
		})
		if _, err := runner.Do(w.ctx, "ended"); !errors.Is(err, failing) {
			w.Errorf("the failure is not told: %v", err)
		}
		w.want("it is known that there is something left", must(w.EndedOrgs(w.ctx, 10)), []string{"gone"})
		if did, err := runner.Do(w.ctx, "ended"); err != nil || !did {
			w.Fatalf("again: %v, %v", did, err)
		}
		_, err = w.LogTop(w.ctx, "gone")
		w.want("the log", err, store.ErrNotFound)
		w.want("bots", must(w.CountBots(w.ctx, "gone")), 0)
		must(platform.DeleteOrg(super, request)) // is still answered
		w.want("bots of the other", must(w.CountBots(w.ctx, "kept")), 2)
		stats := must(w.PlatformStats(w.ctx, 0))
		w.want("messages", stats.MessageCount, many+1)
		did, err := runner.Do(w.ctx, "ended")
		w.want("nothing to do", fmt.Sprint(did, err), "false <nil>")
	})
}

// dying is a store that is gone after so many changes, as that of a node that is killed.
type dying struct {
	store.Store
	left int
}

var errDied = errors.New("killed")

func (d *dying) Update(ctx context.Context, org string, fn func(store.Tx) error) error {
	if d.left--; d.left < 0 {
		return errDied
	}
	return d.Store.Update(ctx, org, fn)
}

// B2B-LIFE-006, 007: a node is killed while it removes an org; another one goes on when
// the job is free, and removes the rest.
func TestKilledWhileRemoving(t *testing.T) {
	onEach(t, func(w *world) {
		w.org("o")
		w.settings("o", func(*b2bv1.UpdateOrgSettingsRequest) {})
		a := w.bot("o", "ann")
		w.bot("o", "bob")
		channel := ""
		for range 350 {
			channel = w.dm(a, "bob", "x").ChannelId
		}
		w.update("o", func(tx store.Tx) error { return tx.EndOrg(w.ctx, "o") })
		killed := upkeep.New(upkeep.Config{
			Store: &dying{w.Store, 3}, Node: "killed", Now: w.now, Log: slog.New(slog.DiscardHandler), // takes the job, and two steps
		})
		_, err := killed.Do(w.ctx, "ended")
		w.want("killed", errors.Is(err, errDied), true)
		left := len(must(w.ChannelHistory(w.ctx, channel, "", 1000)))
		if left == 0 || left == 350 {
			w.Errorf("%d messages are left: it was not killed half way", left)
		}
		did, err := w.runner("next").Do(w.ctx, "ended")
		w.want("while the job is held", fmt.Sprint(did, err), "false <nil>")
		w.sleep(time.Minute)
		did, err = w.runner("next").Do(w.ctx, "ended")
		w.want("then", fmt.Sprint(did, err), "true <nil>")
		_, err = w.LogTop(w.ctx, "o")
		w.want("the log", err, store.ErrNotFound)
		w.want("messages", must(w.PlatformStats(w.ctx, 0)).MessageCount, 0)
	})
}

// Run does what is due at the start and when it is woken, and ends with its context.
func TestRun(t *testing.T) {
	onEach(t, func(w *world) {
		w.org("o")
		r := w.runner("n")
		ctx, cancel := context.WithCancel(w.ctx)
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		w.update("o", func(tx store.Tx) error { return tx.EndOrg(w.ctx, "o") })
		r.Wake()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			if ended, err := w.EndedOrgs(w.ctx, 1); err != nil || len(ended) == 0 {
				w.want("ended", err, nil)
				break
			}
			if time.Now().After(deadline) {
				w.Fatal("the org is not removed")
			}
		}
		cancel()
		w.want("end", <-done, nil)
	})
}
