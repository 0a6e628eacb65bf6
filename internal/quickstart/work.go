package quickstart

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"strings"

	"google.golang.org/protobuf/proto"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// emptied is how many deliveries a claim of empty takes.
const emptied = 100

// empty settles what the inboxes of the agents still have: before the scene, of an earlier run; after
// it, what needed no answer. The first claim of an agent opens its inbox.
func (s *Scene) empty(ctx context.Context) {
	for _, name := range []string{Research, Engineering, Operations} {
		inbox := s.clients[name].Deliveries
		s.try("empty the inbox of "+name, func() error {
			for {
				res, err := inbox.ClaimInbox(ctx, &b2bv1.ClaimInboxRequest{Max: proto.Int32(emptied), Unordered: true})
				if err != nil || len(res.GetItems()) == 0 {
					return err
				}
				for _, d := range res.GetItems() {
					if _, err := inbox.AckDelivery(ctx, &b2bv1.AckDeliveryRequest{Id: d.GetId(), Lease: d.Lease}); err != nil {
						return err
					}
				}
			}
		})
	}
}

// message sends a direct message, whose sender sees what becomes of it, until it is answered.
func (s *Scene) message(ctx context.Context) {
	const text = "Our session check leaks timing (CVE class: observable discrepancy). Shall we fix it together?"
	var sent *b2bv1.SendDirectMessageResponse
	if !s.try("send a direct message", func() (err error) {
		sent, err = s.clients[Research].Channels.SendDirectMessage(ctx, &b2bv1.SendDirectMessageRequest{
			To: proto.String(Engineering), Content: proto.String(text),
		})
		return err
	}) {
		return
	}
	s.step(ctx, Research, "→ @engineering (direct): %s", text)
	for _, r := range sent.GetRecipients().GetAddressed() {
		s.step(ctx, "", "· recipients: %s, %s", r.GetName(), reachOf(r))
	}
	settles := s.claim(ctx, Engineering, b2bv1.DeliveryKind_DELIVERY_KIND_DIRECT)
	const progress = "reading the session code"
	if s.try("say what it does", func() error {
		_, err := s.clients[Engineering].Deliveries.ProgressDelivery(ctx, &b2bv1.ProgressDeliveryRequest{
			Id: settles.GetDeliveryId(), Lease: settles.Lease, Text: proto.String(progress),
		})
		return err
	}) {
		s.step(ctx, Engineering, "works on it: “%s”", progress)
	}
	s.receipt(ctx, sent.GetMessage().GetId())
	const reply = "Yes. Open a thread and I will bring a draft."
	if s.try("reply", func() error {
		_, err := s.clients[Engineering].Channels.SendDirectMessage(ctx, &b2bv1.SendDirectMessageRequest{
			To: proto.String(Research), Content: proto.String(reply), Settles: settles,
		})
		return err
	}) {
		s.step(ctx, Engineering, "→ @research (direct, settles what it claimed): %s", reply)
	}
	s.receipt(ctx, sent.GetMessage().GetId())
}

func reachOf(r *b2bv1.Recipient) string {
	if len(r.GetReach()) == 0 {
		return "offline; the message waits in its inbox"
	}
	ways := make([]string, len(r.GetReach()))
	for i, w := range r.GetReach() {
		ways[i] = word(w, "REACH_")
	}
	return "reached by " + strings.Join(ways, ", ")
}

// claim takes the oldest delivery of a kind from the inbox of an agent, and returns what settles it.
func (s *Scene) claim(ctx context.Context, who string, kind b2bv1.DeliveryKind) *b2bv1.Settles {
	var d *b2bv1.Delivery
	if !s.try("claim from the inbox of "+who, func() error {
		res, err := s.clients[who].Deliveries.ClaimInbox(ctx, &b2bv1.ClaimInboxRequest{
			Kinds: []b2bv1.DeliveryKind{kind}, WaitSeconds: proto.Int32(10),
		})
		if err == nil && len(res.GetItems()) == 0 {
			err = errors.New("the inbox has no such delivery")
		}
		if err == nil {
			d = res.GetItems()[0]
		}
		return err
	}) {
		return nil
	}
	s.step(ctx, who, "claimed it from its inbox (%s, attempt %d; if it crashes now, another worker gets it)", word(kind, "DELIVERY_KIND_"), d.GetAttempt())
	return &b2bv1.Settles{DeliveryId: &d.Id, Lease: d.Lease}
}

// receipt shows the sender of a message what became of it.
func (s *Scene) receipt(ctx context.Context, message string) {
	var res *b2bv1.GetReceiptsResponse
	if !s.try("read the receipts", func() (err error) {
		res, err = s.clients[Research].Deliveries.GetReceipts(ctx, &b2bv1.GetReceiptsRequest{MessageId: message})
		return err
	}) {
		return
	}
	for _, r := range res.GetItems() {
		text := word(r.GetState(), "RECEIPT_STATE_")
		if r.GetProgress() != "" {
			text += ", “" + r.GetProgress() + "”"
		}
		s.step(ctx, Research, "reads the receipt: %s: %s", r.GetName(), text)
	}
}

// lease has an agent take the code that it changes, which another one then does not get.
func (s *Scene) lease(ctx context.Context) {
	const name = "repo/auth/**"
	if !s.try("take a lease", func() error {
		leases := s.clients[Engineering].Leases
		left, err := leases.ListLeases(ctx, &b2bv1.ListLeasesRequest{Name: proto.String(name), Bot: proto.String(Engineering)})
		if err != nil {
			return err
		}
		for _, l := range left.GetItems() { // by a run that was interrupted
			if _, err := leases.ReleaseLease(ctx, &b2bv1.ReleaseLeaseRequest{Id: l.GetId()}); err != nil {
				return err
			}
		}
		res, err := leases.AcquireLease(ctx, &b2bv1.AcquireLeaseRequest{
			Name: proto.String(name), Note: proto.String("the timing leak"), TtlSeconds: proto.Int32(600),
		})
		s.held = res.GetLease()
		return err
	}) {
		return
	}
	s.step(ctx, Engineering, "took the lease %s (fence %d)", name, s.held.GetFence())
	const part = "repo/auth/session.go"
	if s.try("see a lease refused", func() error {
		_, err := s.clients[Operations].Leases.AcquireLease(ctx, &b2bv1.AcquireLeaseRequest{Name: proto.String(part)})
		if b2b.CodeOf(err) == b2bv1.ErrorCode_ERROR_CODE_LEASE_HELD {
			return nil
		}
		if err == nil {
			err = fmt.Errorf("%s was leased twice", part)
		}
		return err
	}) {
		s.step(ctx, Operations, "asked for %s, and was refused: engineering holds it", part)
	}
}

func (s *Scene) release(ctx context.Context) {
	if s.try("release the lease", func() error {
		_, err := s.clients[Engineering].Leases.ReleaseLease(ctx, &b2bv1.ReleaseLeaseRequest{Id: s.held.GetId()})
		return err
	}) {
		s.step(ctx, Engineering, "released %s", s.held.GetName())
	}
}

// decide has an agent ask the people of the org. A person answers, and the agent gets the answer from
// its inbox.
func (s *Scene) decide(ctx context.Context) {
	var asked *b2bv1.Decision
	if !s.try("ask for a decision", func() error {
		res, err := s.clients[Engineering].Decisions.AskThreadDecision(ctx, &b2bv1.AskThreadDecisionRequest{
			ThreadId: s.thread.GetId(), Kind: b2bv1.DecisionKind_DECISION_KIND_APPROVE.Enum(),
			Question: proto.String("Roll the patch out today?"), Humans: true, Blocks: true,
		})
		asked = res.GetDecision()
		return err
	}) {
		return
	}
	s.step(ctx, Engineering, "asks the people of the org: “%s” Until then the thread is %s.", asked.GetQuestion(), s.read(ctx))
	const comment = "one region first"
	if s.try("answer as a person", func() error {
		person, err := s.person(ctx)
		if err != nil {
			return err
		}
		_, err = person.Decisions.AnswerDecision(ctx, &b2bv1.AnswerDecisionRequest{
			Id: asked.GetId(), Answer: proto.String("approved"), Comment: proto.String(comment),
		})
		return err
	}) {
		s.step(ctx, "a person", "approved, “%s”. The thread is %s again.", comment, s.read(ctx))
	}
	settles := s.claim(ctx, Engineering, b2bv1.DeliveryKind_DELIVERY_KIND_DECISION_CLOSED)
	s.try("settle the answer", func() error {
		_, err := s.clients[Engineering].Deliveries.AckDelivery(ctx, &b2bv1.AckDeliveryRequest{
			Id: settles.GetDeliveryId(), Lease: settles.Lease,
		})
		return err
	})
}

// read returns the status of the thread.
func (s *Scene) read(ctx context.Context) string {
	s.try("read the thread", func() error {
		res, err := s.clients[Engineering].Threads.GetThread(ctx, &b2bv1.GetThreadRequest{ThreadId: s.thread.GetId()})
		if err == nil {
			s.thread = res.GetThread()
		}
		return err
	})
	return statusOf(s.thread)
}

// person returns a client with the session of a person of the org.
func (s *Scene) person(ctx context.Context) (*b2b.Client, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, fmt.Errorf("make a cookie jar: %w", err)
	}
	c := b2b.New(s.URL, b2b.WithHTTPClient(&http.Client{Jar: jar}))
	_, err = c.Auth.Login(ctx, &b2bv1.LoginRequest{
		Type: b2bv1.LoginType_LOGIN_TYPE_ORG_ADMIN.Enum(), OrgId: &s.Team.OrgID, OrgSecret: &s.Team.OrgSecret,
	})
	return c, err
}
