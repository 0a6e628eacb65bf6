package threadcontext

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// take takes in an event, and returns the delivery that it causes.
func (c *Context) take(e *b2b.Event) *delivery {
	switch {
	case e.GetThreadMessage() != nil:
		return c.takeMessage(e.GetThreadMessage().GetThreadId(), e.GetThreadMessage().GetMessage())
	case e.Event != nil && slices.Contains(lifecycle, e.Type):
		return c.takeEvent(e)
	case e.Type == b2b.Resync: // events were missed: load the threads again
		for _, s := range c.threads {
			s.thread, s.participants, s.artifactsLoaded = nil, nil, false
		}
	}
	return nil
}

func (c *Context) takeMessage(threadID string, m *b2bv1.ThreadMessage) *delivery {
	if m.GetSenderId() == c.botID && provenanceOf(m).AuthoredBy != "human" {
		return nil
	}
	s := c.state(threadID)
	if m.GetSenderId() != "" && m.GetSenderName() != "" {
		s.names[m.GetSenderId()] = m.GetSenderName()
	}
	c.orders++
	order := c.orders
	i := slices.IndexFunc(s.messages, func(w message) bool { return w.GetId() == m.GetId() })
	switch {
	case i >= 0:
		order = s.messages[i].order
	case slices.Contains(s.delivered, m.GetId()):
		return nil
	default:
		s.messages = keep(s.messages, message{order, m}, c.options.MaxMessages)
	}
	if m.GetNoReply() || !c.mentioned(m) {
		return nil
	}
	return s.ask(threadID, Mentioned, m, order)
}

// mentioned reports whether a message mentions the bot.
func (c *Context) mentioned(m *b2bv1.ThreadMessage) bool {
	if m.GetMentionAll() || slices.ContainsFunc(m.GetMentions(), func(r *b2bv1.Mention) bool { return r.GetBotId() == c.botID }) {
		return true
	}
	texts := []string{m.GetContent()}
	for _, part := range m.GetParts() {
		if text, has := textOf(part); has {
			texts = append(texts, text)
		}
	}
	text := strings.Join(texts, " ")
	var names []*b2bv1.ThreadParticipant
	for _, name := range c.options.BotNames {
		names = append(names, &b2bv1.ThreadParticipant{BotId: name, Name: name})
	}
	if found, _ := b2b.ParseMentions(text, names); len(found) > 0 {
		return true
	}
	for _, name := range c.others {
		for _, place := range name.FindAllStringIndex(text, -1) {
			if !follows(text, place[0]) && ends(text, place[1]) {
				return true
			}
		}
	}
	return slices.ContainsFunc(c.options.Patterns, func(p *regexp.Regexp) bool { return p.MatchString(text) })
}

func textOf(p *b2bv1.Part) (text string, has bool) {
	switch part := p.GetPart().(type) {
	case *b2bv1.Part_Text:
		return part.Text.GetContent(), true
	case *b2bv1.Part_Markdown:
		return part.Markdown.GetContent(), true
	}
	var of struct{ Content *string }
	if json.Unmarshal([]byte(p.GetExtra()), &of) != nil || of.Content == nil {
		return "", false
	}
	return *of.Content, true
}

var simpleName = regexp.MustCompile(`^[A-Za-z0-9_-]*$`)

// otherNames returns patterns for the names that the parser of mentions does not know, such as
// those in Chinese.
func otherNames(names []string) (all []*regexp.Regexp) {
	for _, name := range names {
		if !simpleName.MatchString(name) {
			all = append(all, regexp.MustCompile("(?i)@"+regexp.QuoteMeta(name)))
		}
	}
	return all
}

// follows reports whether a character of a name is before a place.
func follows(text string, at int) bool { return at > 0 && simpleName.MatchString(text[at-1:at]) }

// ends reports whether a name can end at a place.
func ends(text string, at int) bool {
	r, _ := utf8.DecodeRuneInString(text[at:])
	return at == len(text) || r == '\ufeff' || r != '\u0085' && unicode.IsSpace(r) || unicode.IsPunct(r)
}

func threadOf(e *b2bv1.Event) string {
	switch of := e.GetEvent().(type) {
	case *b2bv1.Event_ThreadCreated:
		return of.ThreadCreated.GetThread().GetId()
	case *b2bv1.Event_ThreadUpdated:
		return of.ThreadUpdated.GetThread().GetId()
	case *b2bv1.Event_ThreadStatusChanged:
		return of.ThreadStatusChanged.GetThreadId()
	case *b2bv1.Event_ThreadArtifact:
		return of.ThreadArtifact.GetThreadId()
	}
	return e.GetThreadParticipant().GetThreadId()
}

func (c *Context) takeEvent(e *b2b.Event) *delivery {
	threadID := threadOf(e.Event)
	p := e.GetThreadParticipant()
	if p.GetAction() == b2bv1.ParticipantAction_PARTICIPANT_ACTION_LEFT && p.GetBotId() == c.botID {
		delete(c.threads, threadID) // no event of this thread comes again
		return nil
	}
	s := c.state(threadID)
	if e.Position != "" {
		i := slices.IndexFunc(s.events, func(w event) bool { return w.position == e.Position })
		switch {
		case i >= 0 && s.events[i].reason != "":
			return s.ask(threadID, s.events[i].reason, nil, s.events[i].order)
		case i >= 0 || slices.Contains(s.delivered, e.Position):
			return nil
		}
	}
	mode := c.modeOf(e, s)
	s.learn(e.Event)
	if mode == Ignore {
		return nil
	}
	c.orders++
	w := event{order: c.orders, kind: e.Type, position: e.Position, Event: e.Event}
	if mode == Deliver {
		if w.reason = Lifecycle; e.GetThreadCreated() != nil || c.invites(p) {
			w.reason = Invited
		}
	}
	s.events = keep(s.events, w, c.options.MaxEvents)
	if w.reason == "" {
		return nil
	}
	return s.ask(threadID, w.reason, nil, w.order)
}

// invites reports whether an event is the invitation of the own bot to a thread that exists.
func (c *Context) invites(p *b2bv1.ThreadParticipantEvent) bool {
	return p.GetAction() == b2bv1.ParticipantAction_PARTICIPANT_ACTION_JOINED && p.GetBotId() == c.botID && p.GetBy() != c.botID
}

func (c *Context) modeOf(e *b2b.Event, s *state) Mode {
	mode, set := c.options.Modes[e.Type]
	invite := Deliver
	if c.options.BufferInvites {
		invite = Buffer
	}
	if set {
		invite = mode
	}
	if created := e.GetThreadCreated(); created != nil {
		// The participants that follow a creation are no second invitation.
		known := s.invited
		if s.invited = true; known || created.GetThread().GetInitiatorId() == c.botID {
			if mode == Ignore {
				return Ignore
			}
			return Buffer
		}
		return invite
	}
	if c.invites(e.GetThreadParticipant()) && !s.invited {
		s.invited = true
		return invite
	}
	if set {
		return mode
	}
	return Buffer
}

// learn updates what is known of the thread.
func (s *state) learn(e *b2bv1.Event) {
	switch of := e.GetEvent().(type) {
	case *b2bv1.Event_ThreadCreated:
		s.thread = of.ThreadCreated.GetThread()
	case *b2bv1.Event_ThreadUpdated:
		s.thread = of.ThreadUpdated.GetThread()
	case *b2bv1.Event_ThreadStatusChanged:
		if s.thread != nil {
			s.thread = proto.CloneOf(s.thread)
			s.thread.Status, s.thread.Topic = of.ThreadStatusChanged.GetTo(), of.ThreadStatusChanged.GetTopic()
		}
	case *b2bv1.Event_ThreadArtifact:
		s.artifacts = slices.Clone(s.artifacts)
		s.newest(of.ThreadArtifact.GetArtifact())
	case *b2bv1.Event_ThreadParticipant:
		s.learnParticipant(of.ThreadParticipant)
	}
}

func (s *state) learnParticipant(e *b2bv1.ThreadParticipantEvent) {
	s.names[e.GetBotId()] = e.GetBotName()
	if s.participants == nil {
		return
	}
	p := &b2bv1.ThreadParticipant{BotId: e.GetBotId(), Online: true}
	others := []*b2bv1.ThreadParticipant{}
	for _, other := range s.participants {
		if other.GetBotId() != e.GetBotId() {
			others = append(others, other)
		} else {
			p = proto.CloneOf(other)
		}
	}
	if e.GetAction() == b2bv1.ParticipantAction_PARTICIPANT_ACTION_JOINED {
		p.Name = e.GetBotName()
		if label := e.GetLabel(); label != nil && label.Value != nil {
			p.Label = label.Value
		}
		others = append(others, p)
	}
	s.participants = others
}

// provenance says for whom a message was written.
type provenance struct {
	AuthoredBy string `json:"authored_by"`
	OwnerName  string `json:"owner_name"`
}

// provenanceOf reads the metadata of a message: an object, or its JSON text.
func provenanceOf(m *b2bv1.ThreadMessage) provenance {
	text := m.GetMetadata()
	var inner string
	if json.Unmarshal([]byte(text), &inner) == nil {
		text = inner
	}
	var of struct{ Provenance map[string]json.RawMessage }
	if json.Unmarshal([]byte(text), &of) != nil {
		return provenance{} // it says nothing about its author
	}
	var p provenance
	_ = json.Unmarshal(of.Provenance["authored_by"], &p.AuthoredBy) // another type says nothing, either
	_ = json.Unmarshal(of.Provenance["owner_name"], &p.OwnerName)
	return p
}
