package inbox_test

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// asking is a message that asked for receipts.
type asking struct{ id, sender string }

// told is what a sender was told of a message at a bot.
type told struct {
	state   b2bv1.ReceiptState
	attempt int64
}

// receipts checks what the last step told senders (B2B-RCPT-020): the last of it is what the model
// has, of each delivery that changed, unless the sender has left. What is final is addressed to the
// sender (B2B-RCPT-022).
func (p *play) receipts() {
	rows, err := p.store.ReadLog(context.Background(), p.org, p.read, 1000)
	if err != nil {
		p.Fatal(err)
	}
	news := map[string]told{}
	for i := range rows {
		row := &rows[i]
		p.read = row.Seq
		if row.Type != eventtype.DeliveryUpdated {
			continue
		}
		var e b2bv1.Event
		if err := proto.Unmarshal(row.Payload, &e); err != nil {
			p.Fatal(err)
		}
		u := e.GetDeliveryUpdated()
		scope := u.GetThreadId() + u.GetChannelId()
		r := u.GetReceipt()
		if row.Audience != store.AudienceBot || row.BotID == nil || !slices.Contains(p.members[scope], *row.BotID) {
			p.Fatalf("%s of %s for %v, who is not there", row.Type, scope, row.BotID)
		}
		news[u.GetMessageId()+" "+r.GetId()] = told{r.GetState(), int64(r.GetAttempt())}
		p.done["reported"]++
		switch r.GetState() {
		case b2bv1.ReceiptState_RECEIPT_STATE_DONE, b2bv1.ReceiptState_RECEIPT_STATE_FAILED, b2bv1.ReceiptState_RECEIPT_STATE_DEAD:
			p.addressed(row.Seq, scope, "", map[string]int64{*row.BotID: int64(b2bv1.DeliveryKind_DELIVERY_KIND_RECEIPT)})
		}
	}
	for _, m := range p.items {
		asked, ok := p.asked[m.seq]
		if m.kind == int64(b2bv1.DeliveryKind_DELIVERY_KIND_RECEIPT) {
			p.done["receipt"]++
		}
		if !ok {
			continue
		}
		key := asked.id + " " + m.bot
		is := told{receiptState(m.state), m.attempt}
		if m.state == 0 || m.state == store.DeliveryWaiting { // a receipt tells no attempt then
			is.attempt = 0
		}
		was, known := p.told[key]
		p.told[key] = is
		changed := is != was && (known || is != told{b2bv1.ReceiptState_RECEIPT_STATE_QUEUED, 0})
		got, reported := news[key]
		delete(news, key)
		switch {
		case !slices.Contains(p.members[m.scope], asked.sender):
			if changed {
				p.done["unreported"]++
			}
			if reported {
				p.Fatalf("%s, which has left, is told %v of %s", asked.sender, got, key)
			}
		case reported && got != is, changed && !reported:
			p.Fatalf("of %s the sender is told %v (%v), want %v", key, got, reported, is)
		}
	}
	if len(news) > 0 {
		p.Fatalf("senders that did not ask are told %v", fmt.Sprint(news))
	}
}

// receiptState returns the state of a receipt for that of a delivery; 0: done.
func receiptState(s store.DeliveryState) b2bv1.ReceiptState {
	switch s {
	case store.DeliveryQueued:
		return b2bv1.ReceiptState_RECEIPT_STATE_QUEUED
	case store.DeliveryLeased:
		return b2bv1.ReceiptState_RECEIPT_STATE_WORKING
	case store.DeliveryWaiting:
		return b2bv1.ReceiptState_RECEIPT_STATE_WAITING
	case store.DeliveryFailed:
		return b2bv1.ReceiptState_RECEIPT_STATE_FAILED
	case store.DeliveryDead:
		return b2bv1.ReceiptState_RECEIPT_STATE_DEAD
	}
	return b2bv1.ReceiptState_RECEIPT_STATE_DONE
}
