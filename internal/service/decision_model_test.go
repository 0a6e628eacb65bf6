package service

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// modelDecision is what the model knows of a decision.
type modelDecision struct {
	thread, asker string
	bots          []string // that may answer
	humans        bool
	blocks        bool
	givesBack     string
	until         int64 // 0: never
	fallback      string
	status        string
	reason        string
	answer        string
}

// decisionModel is a model of threads with decisions, written without regard to the code: it holds
// all in maps, and copies them before each change, which an error undoes.
type decisionModel struct {
	status    map[string]string            // of threads
	members   map[string][]string          // of threads
	decisions map[string]*modelDecision    // by id
	bots      map[string]context.Context   // that exist
	labels    map[string]map[string]string // by thread and bot
}

func (m *decisionModel) clone() *decisionModel {
	c := &decisionModel{
		status: maps.Clone(m.status), bots: maps.Clone(m.bots), members: map[string][]string{}, decisions: map[string]*modelDecision{},
		labels: map[string]map[string]string{},
	}
	for id, list := range m.members {
		c.members[id] = slices.Clone(list)
		c.labels[id] = maps.Clone(m.labels[id])
	}
	for id, d := range m.decisions {
		one := *d
		one.bots = slices.Clone(d.bots)
		c.decisions[id] = &one
	}
	return c
}

func (m *decisionModel) open(thread string) (ids []string) {
	for _, id := range slices.Sorted(maps.Keys(m.decisions)) {
		if d := m.decisions[id]; d.thread == thread && d.status == "open" {
			ids = append(ids, id)
		}
	}
	return ids
}

// blocked returns the open decision that blocks a thread, and "" without one.
func (m *decisionModel) blocked(thread string) string {
	for _, id := range m.open(thread) {
		if m.decisions[id].blocks {
			return id
		}
	}
	return ""
}

func (m *decisionModel) close(id, status, reason, answer string) {
	d := m.decisions[id]
	d.status, d.reason, d.answer = status, reason, answer
	if d.blocks && m.blocked(d.thread) == "" && m.status[d.thread] == "blocked" {
		m.status[d.thread] = d.givesBack
	}
}

// due reports whether a decision has expired, and closes it.
func (m *decisionModel) due(id string, now int64) bool {
	d := m.decisions[id]
	if d.status != "open" || d.until == 0 || d.until > now {
		return false
	}
	m.close(id, "expired", "", d.fallback)
	return true
}

func (m *decisionModel) settle(now int64) {
	for _, id := range slices.Sorted(maps.Keys(m.decisions)) {
		m.due(id, now)
	}
}

func (m *decisionModel) ask(id string, d modelDecision) {
	if d.blocks {
		d.givesBack = m.status[d.thread]
		if other := m.blocked(d.thread); other != "" {
			d.givesBack = m.decisions[other].givesBack
		}
		m.status[d.thread] = "blocked"
	}
	m.decisions[id] = &d
}

var modelTransitions = map[string][]string{
	"active": {"blocked", "reviewing", "resolved", "closed"}, "blocked": {"active"}, "reviewing": {"active", "resolved", "closed"},
	"resolved": {"active"}, "closed": {"active"},
}

// setStatus returns the code of an error.
func (m *decisionModel) setStatus(thread, to string, now int64) string {
	if m.status[thread] == "blocked" {
		m.settle(now)
	}
	switch {
	case !slices.Contains(modelTransitions[m.status[thread]], to):
		return "INVALID_TRANSITION"
	case m.status[thread] == "blocked" && m.blocked(thread) != "":
		return "DECISION_OPEN"
	}
	m.status[thread] = to
	m.ended(thread, now)
	return ""
}

// ended withdraws the decisions of a thread that is terminal.
func (m *decisionModel) ended(thread string, now int64) {
	if !ended(m.status[thread]) {
		return
	}
	for _, id := range m.open(thread) {
		if !m.due(id, now) {
			m.close(id, "withdrawn", "thread_ended", "")
		}
	}
}

func (m *decisionModel) without(id, bot string) {
	d := m.decisions[id]
	was := len(d.bots)
	d.bots = slices.DeleteFunc(d.bots, func(b string) bool { return b == bot })
	if len(d.bots) == 0 && was > 0 && !d.humans {
		d.bots = []string{bot} // it is closed with the bots that it had
		m.close(id, "withdrawn", "nobody_left", "")
	}
}

func (m *decisionModel) leave(thread, bot string, now int64) {
	for _, id := range m.open(thread) {
		switch {
		case m.due(id, now):
		case m.decisions[id].asker == bot:
			m.close(id, "withdrawn", "asker_left", "")
		default:
			m.without(id, bot)
		}
	}
	m.members[thread] = slices.DeleteFunc(m.members[thread], func(b string) bool { return b == bot })
	delete(m.labels[thread], bot)
}

func (m *decisionModel) deleteBot(bot string, now int64) {
	for _, id := range slices.Sorted(maps.Keys(m.decisions)) {
		if d := m.decisions[id]; d.status == "open" && d.asker == bot && !m.due(id, now) {
			m.close(id, "withdrawn", "asker_deleted", "")
		}
	}
	for _, id := range slices.Sorted(maps.Keys(m.decisions)) {
		if d := m.decisions[id]; d.status == "open" && slices.Contains(d.bots, bot) && !m.due(id, now) {
			m.without(id, bot)
		}
	}
	for _, thread := range slices.Sorted(maps.Keys(m.status)) {
		if !slices.Contains(m.members[thread], bot) {
			continue
		}
		m.members[thread] = slices.DeleteFunc(m.members[thread], func(b string) bool { return b == bot })
		delete(m.labels[thread], bot)
		if s := m.status[thread]; len(m.members[thread]) == 0 && !ended(s) {
			m.status[thread] = "closed"
		}
	}
	delete(m.bots, bot)
}

// decisionPlayer plays random calls against the services and the model.
type decisionPlayer struct {
	*orgFixture
	*rand.Rand
	m     *decisionModel
	clock atomic.Int64
	keep  *Retention
	made  int            // bots
	codes map[string]int // of the results
}

// TestDecisionHistories: whatever bots and people do, decisions and threads are as in the model, and
// in the log each decision is closed at most once and each thread has the status that the log says.
func TestDecisionHistories(t *testing.T) {
	t.Parallel()
	const seeds, steps = uint64(6), 700
	seen := make(chan map[string]int, seeds)
	t.Run("play", func(t *testing.T) {
		t.Parallel()
		for seed := range seeds {
			t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
				t.Parallel()
				p := newDecisionPlayer(t, seed)
				for range steps {
					p.step()
					if t.Failed() {
						return
					}
				}
				p.checkLog()
				seen <- p.codes
			})
		}
	})
	t.Cleanup(func() {
		if close(seen); t.Failed() {
			return
		}
		all := map[string]int{}
		for codes := range seen {
			for code, n := range codes {
				all[code] += n
			}
		}
		for _, code := range []string{
			"ask ", "answer ", "withdraw ", "status ", "leave ", "delete ", "ask VALIDATION_ERROR", "ask THREAD_CLOSED", "answer NOT_ASKED",
			"answer DECISION_CLOSED", "answer VALIDATION_ERROR", "answer NOT_FOUND", "withdraw FORBIDDEN", "withdraw DECISION_CLOSED",
			"status DECISION_OPEN", "status INVALID_TRANSITION", "expired", "asker", "admin", "thread_ended", "asker_left", "asker_deleted", "nobody_left",
		} {
			if all[code] == 0 {
				t.Errorf("no history has %q: %v", code, all)
			}
		}
	})
}

func newDecisionPlayer(t *testing.T, seed uint64) *decisionPlayer {
	t.Helper()
	p := &decisionPlayer{orgFixture: newOrgFixture(t), Rand: rand.New(rand.NewPCG(seed, 13)), codes: map[string]int{}, m: &decisionModel{
		status: map[string]string{}, members: map[string][]string{}, decisions: map[string]*modelDecision{}, bots: map[string]context.Context{},
		labels: map[string]map[string]string{},
	}}
	p.clock.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli())
	d := p.deps()
	d.Now = func() time.Time { return time.UnixMilli(p.clock.Load()) }
	p.Services, p.keep = New(d), NewRetention(d)
	err := p.store.Update(t.Context(), p.org, func(tx store.Tx) error {
		return tx.PutOrgSettings(t.Context(), &store.OrgSettings{OrgID: p.org, MessagesPerMinutePerBot: 1 << 30, ThreadsPerHourPerBot: 1 << 30})
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		p.newBot()
	}
	for range 3 {
		p.newThread()
	}
	return p
}

func (p *decisionPlayer) newBot() {
	p.made++
	name := fmt.Sprint("b", p.made)
	p.m.bots["id-"+name] = p.bot(name)
}

func (p *decisionPlayer) someBot() string { return one(p, slices.Sorted(maps.Keys(p.m.bots))) }

func one[T any](p *decisionPlayer, list []T) T { return list[p.IntN(len(list))] }

func (p *decisionPlayer) newThread() {
	by := p.someBot()
	var others []string
	for bot := range p.m.bots {
		if bot != by && p.IntN(3) > 0 {
			others = append(others, bot)
		}
	}
	res, err := p.ThreadService.CreateThread(p.m.bots[by], &b2bv1.CreateThreadRequest{Topic: new("t"), Participants: &b2bv1.StringList{Values: others}})
	if err != nil {
		p.t.Fatal(err)
	}
	id := res.Thread.Id
	p.m.status[id], p.m.members[id], p.m.labels[id] = "active", append(others, by), map[string]string{}
}

// ended reports whether a status of a thread is terminal.
func ended(status string) bool { return status == "resolved" || status == "closed" }

// someThread returns one that has not ended, in most cases: few calls do anything to others.
func (p *decisionPlayer) someThread() string {
	threads := slices.Sorted(maps.Keys(p.m.status))
	live := slices.DeleteFunc(slices.Clone(threads), func(id string) bool { return ended(p.m.status[id]) })
	if len(live) == 0 || p.IntN(5) == 0 {
		return one(p, threads)
	}
	return one(p, live)
}

// done compares the code of a result with that of the model. After an error the model is as before.
func (p *decisionPlayer) done(what string, err error, want string, before *decisionModel) {
	p.t.Helper()
	got := ""
	if e, ok := call.AsError(err); err != nil && ok {
		got = strings.TrimPrefix(e.Code.String(), "ERROR_CODE_")
	} else if err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
	if got != want {
		p.t.Errorf("%s: the code is %q (%v), want %q", what, got, err, want)
	}
	if want != "" {
		p.m = before
	}
	p.codes[what+" "+want]++
}

func (p *decisionPlayer) step() {
	p.t.Helper()
	id, now, before := p.someThread(), p.clock.Load(), p.m.clone()
	switch n := p.IntN(100); {
	case n < 30:
		p.ask(id, before)
	case n < 52:
		p.answer(before)
	case n < 58:
		p.withdraw(before)
	case n < 76:
		p.change(id, before)
	case n < 82:
		p.join(id)
	case n < 88:
		p.leave(id, before)
	case n < 90 && len(p.m.bots) > 2:
		bot := p.someBot()
		p.m.deleteBot(bot, now)
		_, err := p.BotService.DeleteBot(p.admin(), &b2bv1.DeleteBotRequest{Id: bot})
		p.done("delete", err, "", before)
		p.newBot()
	case n < 92:
		p.newThread()
	case n < 96:
		p.m.settle(now)
		if err := p.keep.SettleDecisions(p.t.Context(), p.org); err != nil {
			p.t.Fatal(err)
		}
	default:
		p.clock.Add(p.Int64N(4000))
	}
	p.compare()
}

func (p *decisionPlayer) ask(thread string, before *decisionModel) {
	asker := p.someBot()
	if !slices.Contains(p.m.members[thread], asker) {
		return
	}
	now := p.clock.Load()
	req := &b2bv1.AskThreadDecisionRequest{
		ThreadId: thread, Kind: b2bv1.DecisionKind_DECISION_KIND_APPROVE.Enum(), Question: new("?"), Humans: p.IntN(3) == 0, Blocks: p.IntN(2) == 0,
		Bots: &b2bv1.StringList{},
	}
	d := modelDecision{thread: thread, asker: asker, humans: req.Humans, blocks: req.Blocks, status: "open"}
	p.m.settle(now)
	want := ""
	if s := p.m.status[thread]; ended(s) {
		want = "THREAD_CLOSED"
	}
	for range p.IntN(3) {
		bot := p.someBot()
		req.Bots.Values = append(req.Bots.Values, bot)
		switch {
		case want != "":
		case bot == asker, !slices.Contains(p.m.members[thread], bot):
			want = "VALIDATION_ERROR"
		case !slices.Contains(d.bots, bot):
			d.bots = append(d.bots, bot)
		}
	}
	if p.IntN(5) == 0 {
		req.Label = new("reviewer")
		found := 0
		for _, bot := range p.m.members[thread] {
			if p.m.labels[thread][bot] == "reviewer" && bot != asker {
				if found++; !slices.Contains(d.bots, bot) {
					d.bots = append(d.bots, bot)
				}
			}
		}
		if found == 0 && want == "" {
			want = "VALIDATION_ERROR"
		}
	}
	if len(d.bots) == 0 && !d.humans && want == "" {
		want = "VALIDATION_ERROR"
	}
	if p.IntN(2) == 0 {
		seconds := 1 + p.Int32N(5)
		req.ExpiresIn, d.until = &seconds, now+int64(seconds)*1000
		if p.IntN(2) == 0 {
			req.Default, d.fallback = new("rejected"), "rejected"
		}
	}
	if want == "" && len(p.m.open(thread)) >= limits.DecisionsOfPlace {
		want = "QUOTA_EXCEEDED"
	}
	res, err := p.DecisionService.AskThreadDecision(p.m.bots[asker], req)
	if err == nil && want == "" {
		p.m.ask(res.Decision.Id, d)
	}
	p.done("ask", err, want, before)
}

// someDecision returns a decision of a thread, more often one that is open.
func (p *decisionPlayer) someDecision() (string, *modelDecision) {
	ids := slices.Sorted(maps.Keys(p.m.decisions))
	if len(ids) == 0 {
		return "", nil
	}
	id := one(p, ids)
	for range 4 {
		if p.m.decisions[id].status != "open" {
			id = one(p, ids[max(0, len(ids)-20):])
		}
	}
	return id, p.m.decisions[id]
}

// someCaller returns a bot, or an org admin with an empty id.
func (p *decisionPlayer) someCaller(d *modelDecision) (context.Context, string) {
	if p.IntN(4) == 0 {
		return p.admin(), ""
	}
	bot := p.someBot()
	if len(d.bots) > 0 && p.IntN(2) == 0 {
		if asked := one(p, d.bots); p.m.bots[asked] != nil {
			bot = asked
		}
	}
	return p.m.bots[bot], bot
}

func (p *decisionPlayer) answer(before *decisionModel) {
	id, d := p.someDecision()
	if d == nil {
		return
	}
	ctx, bot := p.someCaller(d)
	answer := one(p, []string{"approved", "rejected", "approved", "rejected", "perhaps"})
	now, want := p.clock.Load(), ""
	closed := d.status != "open" || d.until != 0 && d.until <= now
	switch {
	case bot != "" && !slices.Contains(p.m.members[d.thread], bot):
		want = "NOT_FOUND"
	case bot == "" && !d.humans, bot != "" && !slices.Contains(d.bots, bot):
		want = "NOT_ASKED"
	case closed:
		want = "DECISION_CLOSED"
	case answer == "perhaps":
		want = "VALIDATION_ERROR"
	default:
		p.m.close(id, "answered", "", answer)
	}
	_, err := p.DecisionService.AnswerDecision(ctx, &b2bv1.AnswerDecisionRequest{Id: id, Answer: &answer})
	p.done("answer", err, want, before)
}

func (p *decisionPlayer) withdraw(before *decisionModel) {
	id, d := p.someDecision()
	if d == nil {
		return
	}
	ctx, bot := p.someCaller(d)
	if asker := p.m.bots[d.asker]; asker != nil && p.IntN(3) > 0 {
		ctx, bot = asker, d.asker
	}
	want := ""
	switch {
	case bot != "" && !slices.Contains(p.m.members[d.thread], bot):
		want = "NOT_FOUND"
	case bot != "" && bot != d.asker:
		want = "FORBIDDEN"
	case d.status != "open" || d.until != 0 && d.until <= p.clock.Load():
		want = "DECISION_CLOSED"
	case bot == "":
		p.m.close(id, "withdrawn", "admin", "")
	default:
		p.m.close(id, "withdrawn", "asker", "")
	}
	_, err := p.DecisionService.WithdrawDecision(ctx, &b2bv1.WithdrawDecisionRequest{Id: id})
	p.done("withdraw", err, want, before)
}

func (p *decisionPlayer) change(thread string, before *decisionModel) {
	to := one(p, []string{"active", "active", "active", "blocked", "reviewing", "resolved", "closed"})
	status := statusOut(to)
	var reason *b2bv1.CloseReason
	if to == "closed" {
		reason = b2bv1.CloseReason_CLOSE_REASON_MANUAL.Enum()
	}
	want := p.m.setStatus(thread, to, p.clock.Load())
	var err error
	if members := before.members[thread]; len(members) > 0 && p.IntN(2) == 0 {
		_, err = p.ThreadService.UpdateThread(p.m.bots[one(p, members)], &b2bv1.UpdateThreadRequest{ThreadId: thread, Status: &status, CloseReason: reason})
	} else {
		_, err = p.OrgThreadService.UpdateOrgThread(p.admin(), &b2bv1.UpdateOrgThreadRequest{ThreadId: thread, Status: &status, CloseReason: reason})
	}
	p.done("status", err, want, before)
}

func (p *decisionPlayer) join(thread string) {
	bot := p.someBot()
	if s := p.m.status[thread]; ended(s) || slices.Contains(p.m.members[thread], bot) {
		return
	}
	req := &b2bv1.AddOrgThreadParticipantRequest{ThreadId: thread, BotId: &bot}
	if p.IntN(2) == 0 {
		req.Label = new("reviewer")
		p.m.labels[thread][bot] = "reviewer"
	}
	if _, err := p.OrgThreadService.AddOrgThreadParticipant(p.admin(), req); err != nil {
		p.t.Fatal(err)
	}
	p.m.members[thread] = append(p.m.members[thread], bot)
}

func (p *decisionPlayer) leave(thread string, before *decisionModel) {
	members := p.m.members[thread]
	if s := p.m.status[thread]; ended(s) || len(members) < 2 {
		return
	}
	bot := one(p, members)
	p.m.leave(thread, bot, p.clock.Load())
	var err error
	if p.IntN(2) == 0 {
		_, err = p.ThreadService.LeaveThread(before.bots[bot], &b2bv1.LeaveThreadRequest{ThreadId: thread})
	} else {
		_, err = p.OrgThreadService.RemoveOrgThreadParticipant(p.admin(), &b2bv1.RemoveOrgThreadParticipantRequest{ThreadId: thread, Bot: bot})
	}
	p.done("leave", err, "", before)
}

// compare compares threads and decisions with the model.
func (p *decisionPlayer) compare() {
	p.t.Helper()
	now := p.clock.Load()
	for id, want := range p.m.status {
		t, err := p.store.Thread(p.t.Context(), p.org, id)
		if err != nil {
			p.t.Fatal(err)
		}
		if t.Status != want {
			p.t.Errorf("thread %s is %s, want %s", id, t.Status, want)
		}
		open := p.m.open(id)
		if p.m.blocked(id) != "" && t.Status != "blocked" || len(open) > 0 && ended(t.Status) {
			p.t.Errorf("thread %s is %s with the open decisions %v", id, t.Status, open)
		}
	}
	for id, want := range p.m.decisions {
		res, err := p.DecisionService.GetDecision(p.admin(), &b2bv1.GetDecisionRequest{Id: id})
		if err != nil {
			p.t.Fatal(err)
		}
		status, answer := want.status, want.answer
		if status == "open" && want.until != 0 && want.until <= now {
			status, answer = "expired", want.fallback
		}
		d := res.Decision
		if got := textOf(d.Status, "DECISION_STATUS_"); got != status || d.GetAnswer() != answer || (d.ClosedAt == nil) != (status == "open") {
			p.t.Errorf("decision %v: want %s, %q", d, status, answer)
		}
		if d.Reason != nil && textOf(d.GetReason(), "WITHDRAW_REASON_") != want.reason {
			p.t.Errorf("decision %v: want the reason %s", d, want.reason)
		}
		if want.status == "open" && len(d.Bots) != len(want.bots) {
			p.t.Errorf("decision %v: want the bots %v", d, want.bots)
		}
	}
}

// checkLog closes what is open, and reads the log.
func (p *decisionPlayer) checkLog() {
	asked, closed := map[string]bool{}, map[string]bool{}
	status := map[string]string{}
	for top := int64(0); ; {
		rows, err := p.store.ReadLog(p.t.Context(), p.org, top, 500)
		if err != nil {
			p.t.Fatal(err)
		}
		if len(rows) == 0 {
			break
		}
		for i := range rows {
			e, err := eventlog.Decode(&rows[i])
			if err != nil {
				p.t.Fatal(err)
			}
			switch top = rows[i].Seq; {
			case e.GetThreadCreated() != nil:
				status[e.GetThreadCreated().Thread.Id] = "active"
			case e.GetThreadStatusChanged() != nil:
				c := e.GetThreadStatusChanged()
				if from := textOf(c.From, "THREAD_STATUS_"); status[c.ThreadId] != from {
					p.t.Errorf("thread %s changes from %s, and was %s", c.ThreadId, from, status[c.ThreadId])
				}
				status[c.ThreadId] = textOf(c.To, "THREAD_STATUS_")
			case e.GetDecisionAsked() != nil:
				d := e.GetDecisionAsked().Decision
				if asked[d.Id] || d.Status != b2bv1.DecisionStatus_DECISION_STATUS_OPEN {
					p.t.Errorf("asked again, or not open: %v", d)
				}
				asked[d.Id] = true
			case e.GetDecisionClosed() != nil:
				d := e.GetDecisionClosed().Decision
				if !asked[d.Id] || closed[d.Id] || textOf(d.Status, "DECISION_STATUS_") != p.m.decisions[d.Id].status || d.ClosedAt == nil {
					p.t.Errorf("closed again, or otherwise than in the model: %v", d)
				}
				closed[d.Id] = true
				if d.Reason != nil {
					p.codes[textOf(d.GetReason(), "WITHDRAW_REASON_")]++
				} else {
					p.codes[textOf(d.Status, "DECISION_STATUS_")]++
				}
			}
		}
	}
	for id, d := range p.m.decisions {
		if !asked[id] || closed[id] != (d.status != "open") {
			p.t.Errorf("decision %s is %s: asked %v and closed %v in the log", id, d.status, asked[id], closed[id])
		}
	}
	for id, want := range p.m.status {
		if status[id] != want {
			p.t.Errorf("thread %s is %s by the log, want %s", id, status[id], want)
		}
	}
}
