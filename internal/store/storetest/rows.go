package storetest

import (
	"encoding/json"
	"fmt"

	"github.com/b2b-protocol/b2b/internal/store"
)

// show prints a value with its pointers followed.
func show(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%+v", v)
	}
	return string(b)
}

// org adds an org and returns its id.
func (s *suite) org() string {
	s.Helper()
	id := s.id("org")
	s.update("", func(tx store.Tx) error {
		return tx.CreateOrg(s.ctx, &store.Org{ID: id, Name: "Org " + id, SecretHash: "secret-" + id, Status: store.OrgActive, CreatedAt: 1})
	})
	return id
}

func (s *suite) newBot(org, name string) *store.Bot {
	id := s.id("bot")
	return &store.Bot{
		ID: id, OrgID: org, Name: name, TokenHash: "token-" + id, AuthRole: store.AuthMember,
		JoinStatus: store.BotActive, CreatedAt: 10, LastSeenAt: ptr(int64(10)),
	}
}

// bot adds a bot, changed by edit, and returns its id.
func (s *suite) bot(org, name string, edit ...func(*store.Bot)) string {
	s.Helper()
	b := s.newBot(org, name)
	for _, e := range edit {
		e(b)
	}
	s.update(org, func(tx store.Tx) error { return tx.CreateBot(s.ctx, b) })
	return b.ID
}

// channel adds the direct channel of two bots.
func (s *suite) channel(org, a, b string, at int64) string {
	s.Helper()
	id := s.id("chan")
	s.update(org, func(tx store.Tx) error {
		return tx.CreateChannel(s.ctx, &store.Channel{ID: id, OrgID: org, Type: store.ChannelDirect, CreatedAt: at}, a, b)
	})
	return id
}

// say adds a direct message.
func (s *suite) say(org, channel, sender, content string, at int64, edit ...func(*store.ChannelMessage)) string {
	s.Helper()
	id := s.id("dm")
	m := &store.ChannelMessage{ID: id, ChannelID: channel, SenderID: sender, Content: content, ContentType: "text", CreatedAt: at}
	for _, e := range edit {
		e(m)
	}
	s.update(org, func(tx store.Tx) error { return tx.InsertChannelMessage(s.ctx, m) })
	return id
}

func (s *suite) newThread(org, topic string, at int64) *store.Thread {
	return &store.Thread{
		ID: s.id("thread"), OrgID: org, Topic: topic, Status: "active", Visibility: "public", JoinPolicy: "open",
		Revision: 1, CreatedAt: at, UpdatedAt: at, LastActivityAt: at,
	}
}

// thread adds a thread of the bots, the first of which starts it.
func (s *suite) thread(org, topic string, at int64, bots ...string) *store.Thread {
	s.Helper()
	t := s.newThread(org, topic, at)
	var in []store.Participant
	for _, b := range bots {
		in = append(in, store.Participant{BotID: b, JoinedAt: at})
	}
	if len(bots) > 0 {
		t.InitiatorID = &bots[0]
	}
	s.update(org, func(tx store.Tx) error { return tx.CreateThread(s.ctx, t, in) })
	return t
}

// post adds a thread message.
func (s *suite) post(org, thread, sender, content string, at int64, edit ...func(*store.ThreadMessage)) string {
	s.Helper()
	m := &store.ThreadMessage{ID: s.id("msg"), ThreadID: thread, SenderID: &sender, Content: content, ContentType: "text", CreatedAt: at}
	for _, e := range edit {
		e(m)
	}
	s.update(org, func(tx store.Tx) error { return tx.InsertThreadMessage(s.ctx, m) })
	return m.ID
}

// append adds an event to the log of an org.
func (s *suite) append(org, typ string) int64 {
	s.Helper()
	var seq int64
	s.update(org, func(tx store.Tx) (err error) {
		seq, err = tx.Append(s.ctx, store.Event{At: 5, Type: typ, Audience: store.AudienceOrg, Payload: []byte(typ)})
		return err
	})
	return seq
}

// awkward is a text that must be stored byte for byte and found by search.
const awkward = "100% of a_b\\c 'quoted' \"twice\" ?1 $1 -- ; Ünïcode 所有人 \n\t end "
