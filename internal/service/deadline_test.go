package service

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// deadlinePlay is a history of messages with deadlines, and what is known of them.
type deadlinePlay struct {
	*leaseFixture
	rng     *rand.Rand
	ann     context.Context
	bots    map[string]context.Context // bob works from his inbox, cyd and dan do not
	threads []string
	ended   map[string]bool
	sent    map[string]*withDeadline
	events  map[string][]string // the overdue bots, by message
	read    int64
	met     map[string]int
}

// withDeadline is a message that was sent.
type withDeadline struct {
	thread string
	due    time.Time
	to     []string
	wrote  map[string]bool // who wrote in the thread since
	judged bool
}

// TestOverdueHistories plays random histories of messages, answers, settled deliveries, bots that leave
// and threads that end. When its time is over, a message is reported once, with those who have not
// acknowledged it then, or never (B2B-RCPT-032 to 034).
func TestOverdueHistories(t *testing.T) {
	t.Parallel()
	met := map[string]int{}
	for seed := range uint64(6) {
		synctest.Test(t, func(t *testing.T) {
			p := newDeadlinePlay(t, seed, met)
			for range 120 {
				p.step()
			}
			for range 30 {
				p.second()
			}
			for id, m := range p.sent {
				if !m.judged {
					t.Errorf("nobody has looked at %s", id)
				}
			}
		})
	}
	for _, what := range []string{"overdue", "acknowledged", "ended", "done", "waiting", "working", "queued", "unconfirmed", "wrote", "left"} {
		if met[what] == 0 {
			t.Errorf("no history has %q: %v", what, met)
		}
	}
}

func newDeadlinePlay(t *testing.T, seed uint64, met map[string]int) *deadlinePlay {
	p := &deadlinePlay{
		leaseFixture: newLeaseFixture(t), rng: rand.New(rand.NewPCG(seed, 30)), bots: map[string]context.Context{},
		ended: map[string]bool{}, sent: map[string]*withDeadline{}, events: map[string][]string{}, met: met,
	}
	p.unlimited()
	p.ann = p.bot("ann")
	names := []string{"bob", "cyd", "dan"}
	for _, name := range names {
		p.bots[name] = p.bot(name)
	}
	if _, err := p.claim(p.bots["bob"], 0); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		res, err := p.ThreadService.CreateThread(p.ann, &b2bv1.CreateThreadRequest{Topic: new(fmt.Sprint(i)), Participants: &b2bv1.StringList{Values: names}})
		if err != nil {
			t.Fatal(err)
		}
		p.threads = append(p.threads, res.GetThread().GetId())
	}
	return p
}

func (p *deadlinePlay) say(by context.Context, req *b2bv1.SendThreadMessageRequest) (string, error) {
	p.t.Helper()
	res, err := p.ThreadService.SendThreadMessage(by, req)
	return res.GetMessage().GetId(), err
}

func (p *deadlinePlay) step() {
	thread := p.threads[p.rng.IntN(len(p.threads))]
	switch n := p.rng.IntN(20); {
	case n < 6:
		p.send(thread)
	case n < 10:
		p.work()
	case n < 13:
		name := []string{"bob", "cyd", "dan"}[p.rng.IntN(3)]
		if _, err := p.say(p.bots[name], &b2bv1.SendThreadMessageRequest{ThreadId: thread, Content: new("here")}); err != nil {
			return // it has left, or the thread has ended
		}
		for _, m := range p.sent {
			if m.thread == thread {
				m.wrote[name] = true
			}
		}
	case n == 13 && p.rng.IntN(3) == 0:
		dan := p.bots["dan"]
		if _, err := p.ThreadService.LeaveThread(dan, &b2bv1.LeaveThreadRequest{ThreadId: thread}); err == nil {
			p.met["left"]++
		}
	case n == 14 && p.rng.IntN(4) == 0 && !p.ended[thread]:
		resolved := b2bv1.ThreadStatus_THREAD_STATUS_RESOLVED
		if _, err := p.ThreadService.UpdateThread(p.ann, &b2bv1.UpdateThreadRequest{ThreadId: thread, Status: &resolved}); err != nil {
			p.t.Fatal(err)
		}
		p.ended[thread] = true
	default:
		p.second()
	}
}

// send sends a message with a deadline to some bots.
func (p *deadlinePlay) send(thread string) {
	var to []string
	for _, name := range []string{"bob", "cyd", "dan"} {
		if p.rng.IntN(2) == 0 {
			to = append(to, name)
		}
	}
	seconds := int32(1 + p.rng.IntN(15))
	id, err := p.say(p.ann, &b2bv1.SendThreadMessageRequest{ThreadId: thread, Content: new("@" + strings.Join(append(to, "x"), " @")), AckBy: &seconds})
	if err != nil {
		return // nobody is addressed, or the thread has ended
	}
	res, err := p.DeliveryService.GetReceipts(p.ann, &b2bv1.GetReceiptsRequest{MessageId: id})
	if err != nil {
		p.t.Fatal(err)
	}
	m := &withDeadline{thread: thread, due: time.Now().Add(time.Duration(seconds) * time.Second), wrote: map[string]bool{}}
	for _, r := range res.GetItems() {
		m.to = append(m.to, r.GetName())
	}
	p.sent[id] = m
}

// work lets bob claim, and settle, put aside, give up or keep what he gets.
func (p *deadlinePlay) work() {
	bob := p.bots["bob"]
	res, err := p.DeliveryService.ClaimInbox(bob, &b2bv1.ClaimInboxRequest{Max: new(int32(2)), Unordered: true, LeaseSeconds: new(int32(40))})
	if err != nil {
		p.t.Fatal(err)
	}
	for _, d := range res.GetItems() {
		switch p.rng.IntN(4) {
		case 0, 1:
			_, err = p.DeliveryService.AckDelivery(bob, &b2bv1.AckDeliveryRequest{Id: d.Id, Lease: d.Lease})
		case 2:
			on := b2bv1.DeliveryWaitsFor_DELIVERY_WAITS_FOR_HUMAN
			_, err = p.DeliveryService.WaitDelivery(bob, &b2bv1.WaitDeliveryRequest{Id: d.Id, Lease: d.Lease, On: &on})
		}
		if err != nil {
			p.t.Fatal(err)
		}
	}
}

// second lets a second pass, and compares what the job reports then.
func (p *deadlinePlay) second() {
	time.Sleep(time.Second) // Sleeps: in the bubble of its test
	want := map[string][]string{}
	for id, m := range p.sent {
		if m.judged || time.Now().Before(m.due) {
			continue
		}
		m.judged = true
		if p.ended[m.thread] {
			p.met["ended"]++
			continue
		}
		if late := p.late(id, m); len(late) > 0 {
			p.met["overdue"]++
			want[id] = late
		} else {
			p.met["acknowledged"]++
		}
	}
	for range 3 { // twice more changes nothing
		if err := p.retention.SettleDeadlines(p.t.Context(), call.CallerOf(p.ann).OrgID); err != nil {
			p.t.Fatal(err)
		}
	}
	got := p.reported()
	if !maps.EqualFunc(got, want, slices.Equal) {
		p.t.Fatalf("reported as overdue:\n got %v\nwant %v", got, want)
	}
}

// late returns who has not acknowledged a message, by its receipts and by who wrote.
func (p *deadlinePlay) late(id string, m *withDeadline) (names []string) {
	res, err := p.DeliveryService.GetReceipts(p.ann, &b2bv1.GetReceiptsRequest{MessageId: id, Limit: new(int32(100))})
	if err != nil {
		p.t.Fatal(err)
	}
	for _, r := range res.GetItems() {
		state := strings.ToLower(strings.TrimPrefix(r.GetState().String(), "RECEIPT_STATE_"))
		p.met[state]++
		switch {
		case state == "done" || state == "waiting":
		case state == "unconfirmed" && m.wrote[r.GetName()]:
			p.met["wrote"]++
		default:
			names = append(names, r.GetName())
		}
	}
	slices.Sort(names)
	return names
}

// reported reads the events of overdue messages since the last call. Each message has one.
func (p *deadlinePlay) reported() map[string][]string {
	news := map[string][]string{}
	rows, err := p.store.ReadLog(p.t.Context(), call.CallerOf(p.ann).OrgID, p.read, 1000)
	if err != nil {
		p.t.Fatal(err)
	}
	for i := range rows {
		p.read = rows[i].Seq
		if rows[i].Type != eventtype.DeliveryOverdue {
			continue
		}
		var e b2bv1.Event
		if err := proto.Unmarshal(rows[i].Payload, &e); err != nil {
			p.t.Fatal(err)
		}
		o := e.GetDeliveryOverdue().GetOverdue()
		if _, again := p.events[o.GetMessageId()]; again {
			p.t.Fatalf("message %s is reported again", o.GetMessageId())
		}
		var names []string
		for _, r := range o.GetReceipts() {
			names = append(names, r.GetName())
		}
		slices.Sort(names)
		p.events[o.GetMessageId()], news[o.GetMessageId()] = names, names
	}
	return news
}

// TestDeadlinesAreBounded: B2B-RCPT-031.
func TestDeadlinesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newLeaseFixture(t)
		a, _ := f.bot("a"), f.bot("b")
		f.unlimited()
		send := func() error {
			_, err := f.ChannelService.SendDirectMessage(a, &b2bv1.SendDirectMessageRequest{To: new("b"), Content: new("x"), AckBy: new(int32(60))})
			return err
		}
		for range limits.DeadlinesOfBot {
			if err := send(); err != nil {
				t.Fatal(err)
			}
		}
		f.refused(send(), b2bv1.ErrorCode_ERROR_CODE_QUOTA_EXCEEDED)
		f.send(a, "b", "one without a deadline")
		time.Sleep(time.Minute)
		for range limits.DeadlinesOfBot / deadlinesAtOnce {
			if err := f.retention.SettleDeadlines(t.Context(), call.CallerOf(a).OrgID); err != nil {
				t.Fatal(err)
			}
		}
		if err := send(); err != nil {
			t.Errorf("when they are overdue: %v", err)
		}
	})
}

// unlimited lifts the limits of messages.
func (f *leaseFixture) unlimited() {
	f.t.Helper()
	err := f.store.Update(f.t.Context(), f.org, func(tx store.Tx) error {
		return tx.PutOrgSettings(f.t.Context(), &store.OrgSettings{OrgID: f.org, MessagesPerMinutePerBot: 1 << 30, ThreadsPerHourPerBot: 1 << 30})
	})
	if err != nil {
		f.t.Fatal(err)
	}
}
