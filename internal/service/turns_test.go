package service

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
	"github.com/b2b-protocol/b2b/internal/store/storetest/sqltest"
	"github.com/b2b-protocol/b2b/internal/thread"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// turnThread is the model of a thread: what B2B-LOOP states of it.
type turnThread struct {
	id     string
	status thread.Status
	turns  int64
	own    *int64
	spent  map[string]int64 // of the budgets, by bot
	drafts int              // versions of its artifact
}

// turnModel plays random changes on services and on a model of them.
type turnModel struct {
	*testing.T
	*rand.Rand
	nodes   []*orgFixture // the same org on several nodes
	bots    []string
	threads []*turnThread
	limit   *int64 // of the org
	budget  *int64
	refused int
}

// as returns the context of a bot, or of its owner, on one of the nodes.
func (m *turnModel) as(bot string, person bool) (*orgFixture, context.Context) {
	w := m.nodes[m.IntN(len(m.nodes))]
	caller := &call.Caller{Kind: call.Bot, OrgID: w.org, BotID: "id-" + bot, BotName: bot, Scopes: call.ScopeFull}
	if person {
		caller.Session = &call.Session{}
	}
	return w, w.as(caller)
}

func (m *turnModel) bot() string { return m.bots[m.IntN(len(m.bots))] }

// limitOf returns the limit of a thread; -1: none.
func (m *turnModel) limitOf(t *turnThread) int64 {
	switch {
	case t.own != nil && *t.own > 0:
		return *t.own
	case t.own == nil && m.limit != nil:
		return *m.limit
	}
	return -1
}

// send sends a message, and checks whether it is refused.
func (m *turnModel) send(t *turnThread) error {
	bot, person := m.bot(), m.IntN(6) == 0
	w, ctx := m.as(bot, person)
	req := &b2bv1.SendThreadMessageRequest{ThreadId: t.id, Content: proto.String("x")}
	if m.IntN(3) == 0 {
		req.Automatic = proto.Bool(m.IntN(2) == 0)
	}
	if m.IntN(3) == 0 {
		req.NoReply = proto.Bool(m.IntN(2) == 0)
	}
	if m.IntN(8) == 0 {
		req.Content = proto.String("") // refused as invalid, and not counted
		_, err := w.ThreadService.SendThreadMessage(ctx, req)
		if err == nil {
			return errors.New("an empty message was accepted")
		}
		return nil
	}
	if m.IntN(4) == 0 {
		req.RequestId = proto.String(newID())
	}
	_, err := w.ThreadService.SendThreadMessage(ctx, req)
	turn, limit := !person || req.GetAutomatic(), m.limitOf(t)
	switch {
	case t.status.Terminal():
		return refusedWith(err, b2bv1.ErrorCode_ERROR_CODE_THREAD_CLOSED)
	case turn && limit >= 0 && t.turns >= limit:
		m.refused++
		if e := refusedWith(err, b2bv1.ErrorCode_ERROR_CODE_TURN_LIMIT); e != nil {
			return e
		}
		var refusal *call.Error
		if errors.As(err, &refusal) && (refusal.Extras["turns"] != t.turns || refusal.Extras["turn_limit"] != limit || refusal.RetryAfter != 0) {
			return fmt.Errorf("refused with %v, want turns %d of %d", refusal.Extras, t.turns, limit)
		}
		return nil
	case turn && m.budget != nil && t.spent[bot] >= *m.budget:
		m.refused++
		return refusedWith(err, b2bv1.ErrorCode_ERROR_CODE_BUDGET_EXCEEDED)
	case err != nil:
		return err
	}
	if !turn {
		t.turns = 0
	} else {
		t.turns++
		if m.budget != nil {
			t.spent[bot]++
		}
	}
	if req.RequestId != nil { // the same response, also at the limit
		_, err = w.ThreadService.SendThreadMessage(ctx, req)
	}
	return err
}

func refusedWith(err error, code b2bv1.ErrorCode) error {
	var e *call.Error
	if !errors.As(err, &e) || e.Code != code {
		return fmt.Errorf("got error %w, want %v", err, code)
	}
	return nil
}

// setStatus changes the status by a participant or an admin. What is refused changes nothing.
func (m *turnModel) setStatus(t *turnThread) error {
	all := thread.Statuses()
	to := all[m.IntN(len(all))]
	status := enumOf[b2bv1.ThreadStatus](b2bv1.ThreadStatus_value, "THREAD_STATUS_", string(to))
	var reason *b2bv1.CloseReason
	if to == thread.Closed {
		reason = b2bv1.CloseReason_CLOSE_REASON_MANUAL.Enum()
	}
	var err error
	if m.IntN(3) == 0 {
		w := m.nodes[m.IntN(len(m.nodes))]
		_, err = w.OrgThreadService.UpdateOrgThread(w.admin(), &b2bv1.UpdateOrgThreadRequest{ThreadId: t.id, Status: &status, CloseReason: reason})
	} else {
		w, ctx := m.as(m.bot(), false)
		_, err = w.ThreadService.UpdateThread(ctx, &b2bv1.UpdateThreadRequest{ThreadId: t.id, Status: &status, CloseReason: reason})
	}
	if err == nil && t.status != to {
		t.status, t.turns = to, 0
	}
	return refusal(err)
}

// refusal returns errors that are no refusals.
func refusal(err error) error {
	if errors.As(err, new(*call.Error)) {
		return nil
	}
	return err
}

// draft adds a version of the artifact of a thread.
func (m *turnModel) draft(t *turnThread) error {
	w, ctx := m.as(m.bot(), m.IntN(4) == 0)
	var err error
	if t.drafts == 0 {
		_, err = w.ArtifactService.AddArtifact(ctx, &b2bv1.AddArtifactRequest{ThreadId: t.id, ArtifactKey: proto.String("a"), Content: proto.String("x")})
	} else {
		_, err = w.ArtifactService.UpdateArtifact(ctx, &b2bv1.UpdateArtifactRequest{ThreadId: t.id, ArtifactKey: "a", Content: proto.String("y")})
	}
	if err == nil {
		t.drafts++
		t.turns = 0
	}
	return refusal(err)
}

// maybe returns a small number, or nil.
func (m *turnModel) maybe() *int64 {
	if n := m.Int64N(9); n > 0 {
		return &n
	}
	return nil
}

// setOwnLimit changes the limit of a thread, by a participant or an admin.
func (m *turnModel) setOwnLimit(t *turnThread) error {
	own := m.maybe()
	if m.IntN(5) == 0 {
		own = new(int64)
	}
	mask := &fieldmaskpb.FieldMask{Paths: []string{"turn_limit"}}
	if m.IntN(3) == 0 {
		w := m.nodes[m.IntN(len(m.nodes))]
		_, err := w.OrgThreadService.UpdateOrgThread(w.admin(), &b2bv1.UpdateOrgThreadRequest{ThreadId: t.id, TurnLimit: own, UpdateMask: mask})
		t.own = own
		return err
	}
	w, ctx := m.as(m.bot(), false)
	_, err := w.ThreadService.UpdateThread(ctx, &b2bv1.UpdateThreadRequest{ThreadId: t.id, TurnLimit: own, UpdateMask: mask})
	switch {
	case t.status.Terminal():
		return refusedWith(err, b2bv1.ErrorCode_ERROR_CODE_THREAD_CLOSED)
	case own != nil && m.limit != nil && (*own == 0 || *own > *m.limit):
		return refusedWith(err, b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN)
	case err == nil:
		t.own = own
	}
	return err
}

func (m *turnModel) setOrgLimits() error {
	w := m.nodes[m.IntN(len(m.nodes))]
	m.limit, m.budget = m.maybe(), m.maybe()
	_, err := w.OrgService.UpdateOrgSettings(w.admin(), &b2bv1.UpdateOrgSettingsRequest{
		ThreadTurnLimit: m.limit, ThreadMessagesPerHourPerBot: m.budget, MessagesPerMinutePerBot: proto.Int64(1 << 30),
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"thread_turn_limit", "thread_messages_per_hour_per_bot", "messages_per_minute_per_bot"}},
	})
	return err
}

// step makes one random change.
func (m *turnModel) step() error {
	t := m.threads[m.IntN(len(m.threads))]
	switch n := m.IntN(20); {
	case n < 12:
		return m.send(t)
	case n == 12, n == 13:
		return m.setStatus(t)
	case n == 14:
		return m.draft(t)
	case n == 15, n == 16:
		return m.setOwnLimit(t)
	case n == 17:
		return m.setOrgLimits()
	case n == 18: // an answered decision, for example
		w := m.nodes[m.IntN(len(m.nodes))]
		t.turns = 0
		return w.store.Update(m.Context(), w.org, func(tx store.Tx) error { return progress(m.Context(), tx, w.org, t.id) })
	}
	w, ctx := m.as(m.bot(), false)
	_, err := w.ThreadService.UpdateThread(ctx, &b2bv1.UpdateThreadRequest{ThreadId: t.id, Topic: proto.String("another topic")})
	return refusal(err)
}

// check compares the threads with the model.
func (m *turnModel) check() error {
	for _, t := range m.threads {
		w, ctx := m.as(m.bots[0], false)
		res, err := w.ThreadService.GetThread(ctx, &b2bv1.GetThreadRequest{ThreadId: t.id})
		if err != nil {
			return err
		}
		left := int64(-1)
		if limit := m.limitOf(t); limit >= 0 {
			left = max(limit-t.turns, 0)
		}
		got := res.GetThread()
		shown := int64(-1)
		if got.TurnsLeft != nil {
			shown = got.GetTurnsLeft()
		}
		same := (got.TurnLimit == nil) == (t.own == nil) && (t.own == nil || got.GetTurnLimit() == *t.own)
		if got.GetTurns() != t.turns || shown != left || !same {
			return fmt.Errorf("a thread has %d turns, %d left, its limit is %v; want %d, %d, %v",
				got.GetTurns(), shown, got.TurnLimit, t.turns, left, t.own)
		}
	}
	return nil
}

// newOrgNodes returns the services of a new org, on a node for each of the stores of one database.
func newOrgNodes(t *testing.T, stores []*sqlstore.Store, edit ...func(*Deps)) (nodes []*orgFixture) {
	t.Helper()
	org := newID()
	err := stores[0].Update(t.Context(), "", func(tx store.Tx) error {
		return tx.CreateOrg(t.Context(), &store.Org{ID: org, Name: "o", SecretHash: newID(), Status: store.OrgActive, CreatedAt: 1})
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stores {
		w := &orgFixture{t: t, org: org, store: s}
		d := w.deps()
		for _, e := range edit {
			e(&d)
		}
		w.Services = New(d)
		nodes = append(nodes, w)
	}
	return nodes
}

// newTurnModel returns a model of an org on some nodes.
func newTurnModel(t *testing.T, seed uint64, nodes ...*orgFixture) *turnModel {
	t.Helper()
	m := &turnModel{T: t, Rand: rand.New(rand.NewPCG(seed, 1)), nodes: nodes, bots: []string{"ann", "bob"}}
	var ann context.Context
	for _, name := range m.bots {
		if ctx := nodes[0].bot(name); name == "ann" {
			ann = ctx
		}
	}
	for range 2 {
		m.threads = append(m.threads, &turnThread{id: nodes[0].thread(ann, "bob"), status: thread.Active, spent: map[string]int64{}})
	}
	return m
}

// TestTurnHistories plays random histories of sends, people's messages, status changes, artifacts,
// progress and limits, and compares the turns after each change with a model (B2B-LOOP-001 to 007).
// On PostgreSQL two nodes take turns.
func TestTurnHistories(t *testing.T) {
	t.Parallel()
	clock := func(d *Deps) {
		now := time.Now()
		d.Now = func() time.Time { return now } // no budget comes back
	}
	for name, open := range map[string]func(t *testing.T) []*sqlstore.Store{
		"sqlite": func(t *testing.T) []*sqlstore.Store { return []*sqlstore.Store{sqltest.SQLite(t)} },
		"two nodes on postgres": func(t *testing.T) []*sqlstore.Store {
			url := pgtest.URL(t)
			return []*sqlstore.Store{sqltest.Open(t, url), sqltest.Open(t, url)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refused := 0
			for seed := range uint64(12) {
				t.Run(fmt.Sprint(seed), func(t *testing.T) { // one after the other: each has connections of its own
					m := newTurnModel(t, seed, newOrgNodes(t, open(t), clock)...)
					m.play(150)
					refused += m.refused
				})
			}
			if refused < 50 {
				t.Errorf("only %d messages were refused", refused)
			}
		})
	}
}

// play makes random changes, and checks each.
func (m *turnModel) play(changes int) {
	m.Helper()
	if err := m.setOrgLimits(); err != nil {
		m.Fatal(err)
	}
	for i := range changes {
		err := m.step()
		if err == nil {
			err = m.check()
		}
		if err != nil {
			m.Fatalf("change %d: %v", i, err)
		}
	}
}

// TestTurnsOfConcurrentSenders: of many messages that are sent at the same time, on two nodes, exactly
// as many are accepted as the limit has room for (B2B-LOOP-001, B2B-LOOP-006).
func TestTurnsOfConcurrentSenders(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	for name, stores := range map[string][]*sqlstore.Store{
		"sqlite": {sqltest.SQLite(t)}, "two nodes on postgres": {sqltest.Open(t, url), sqltest.Open(t, url)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newTurnModel(t, 1, newOrgNodes(t, stores)...)
			w := m.nodes[0]
			_, err := w.OrgService.UpdateOrgSettings(w.admin(), &b2bv1.UpdateOrgSettingsRequest{
				ThreadTurnLimit: proto.Int64(7), UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"thread_turn_limit"}},
			})
			if err != nil {
				t.Fatal(err)
			}
			var accepted atomic.Int64
			var group sync.WaitGroup
			for i := range 40 {
				node := m.nodes[i%len(m.nodes)]
				ctx := node.as(&call.Caller{Kind: call.Bot, OrgID: node.org, BotID: "id-" + m.bots[i/2%2], BotName: m.bots[i/2%2], Scopes: call.ScopeFull})
				group.Go(func() {
					_, err := node.ThreadService.SendThreadMessage(ctx, &b2bv1.SendThreadMessageRequest{ThreadId: m.threads[0].id, Content: proto.String("x")})
					if err == nil {
						accepted.Add(1)
						return
					}
					if err := refusedWith(err, b2bv1.ErrorCode_ERROR_CODE_TURN_LIMIT); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			if n := accepted.Load(); n != 7 {
				t.Errorf("%d messages were accepted, want 7", n)
			}
		})
	}
}

// TestBudgetComesBack: a bot that has used its budget in one thread can send to another, and after an
// hour to this one (B2B-LOOP-007). A person is not limited.
func TestBudgetComesBack(t *testing.T) {
	t.Parallel()
	now := time.Now()
	m := newTurnModel(t, 1, newOrgNodes(t, []*sqlstore.Store{sqltest.SQLite(t)}, func(d *Deps) { d.Now = func() time.Time { return now } })...)
	w := m.nodes[0]
	_, err := w.OrgService.UpdateOrgSettings(w.admin(), &b2bv1.UpdateOrgSettingsRequest{
		ThreadMessagesPerHourPerBot: proto.Int64(2), UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"thread_messages_per_hour_per_bot"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	send := func(bot string, person bool, in int) error {
		_, ctx := m.as(bot, person)
		_, err := w.ThreadService.SendThreadMessage(ctx, &b2bv1.SendThreadMessageRequest{ThreadId: m.threads[in].id, Content: proto.String("x")})
		return err
	}
	if err := errors.Join(send("ann", false, 0), send("ann", false, 0)); err != nil {
		t.Fatal(err)
	}
	now = now.Add(20 * time.Minute)
	err = send("ann", false, 0)
	wantCode(t, err, b2bv1.ErrorCode_ERROR_CODE_BUDGET_EXCEEDED, 429)
	var e *call.Error
	if errors.As(err, &e) && (e.RetryAfter < 2399 || e.RetryAfter > 2460) {
		t.Errorf("to be tried again after %d seconds, want 40 minutes", e.RetryAfter)
	}
	if err := errors.Join(send("ann", true, 0), send("bob", false, 0), send("ann", false, 1)); err != nil {
		t.Error(err)
	}
	now = now.Add(41 * time.Minute)
	if err := send("ann", false, 0); err != nil {
		t.Error(err)
	}
}
