package b2btest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/internal/catalogue"
	"github.com/b2b-protocol/b2b/sdk/go/internal/wirejson"
)

// firstTime is the first time of the clock.
var firstTime = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// org is the org of a fake server: its bots, channels, threads and event log. Its messages do not
// change: a change replaces them, since responses have them, too.
type org struct {
	started  time.Time
	advanced time.Duration
	count    int // of ids

	bots     []*b2bv1.Bot
	tokens   map[string]*b2bv1.Bot
	tickets  map[string]string // with the id of a bot
	channels map[string]*channel
	threads  []*thread
	done     map[string]done
	log      []entry
	keptFrom int // the first event that is kept
}

// entry is an event of the log.
type entry struct {
	receivers map[string]bool // ids of bots
	kind      string
	position  string // after the event
	json      []byte // on the wire
}

func newOrg() *org {
	return &org{
		started: time.Now(), tokens: map[string]*b2bv1.Bot{}, tickets: map[string]string{},
		channels: map[string]*channel{}, done: map[string]done{},
	}
}

func (o *org) now() time.Time {
	return firstTime.Add(time.Since(o.started) + o.advanced).Truncate(time.Millisecond)
}

func (o *org) timestamp() *timestamppb.Timestamp { return timestamppb.New(o.now()) }

func (o *org) newID(kind string) string {
	o.count++
	return fmt.Sprintf("%s-%06d", kind, o.count)
}

func tokenOf(name string) string { return "token-of-" + name }

// register returns the token of a bot, which is made if it does not exist.
func (o *org) register(name string) string {
	bot := o.named(name)
	if bot == nil {
		bot = &b2bv1.Bot{
			Id: o.newID("bot"), OrgId: "org-1", Name: name, AuthRole: b2bv1.AuthRole_AUTH_ROLE_MEMBER, Version: "1.0.0",
			CreatedAt: o.timestamp(), LastSeenAt: o.timestamp(), JoinStatus: b2bv1.JoinStatus_JOIN_STATUS_ACTIVE,
		}
		o.bots = append(o.bots, bot)
	}
	o.tokens[tokenOf(name)] = bot
	return tokenOf(name)
}

// named returns the bot with a name or id; nil: none.
func (o *org) named(name string) *b2bv1.Bot {
	i := slices.IndexFunc(o.bots, func(b *b2bv1.Bot) bool { return b.GetId() == name || b.GetName() == name })
	if i < 0 {
		return nil
	}
	return o.bots[i]
}

// position returns the position after n events.
func position(n int) string { return fmt.Sprintf("1.%d.fake", n) }

// indexOf returns how many events are before a position.
func (o *org) indexOf(position string) (int, error) {
	parts := strings.Split(position, ".")
	if len(parts) != 3 {
		return 0, invalid("cursor: is not a position")
	}
	index, err := strconv.Atoi(parts[1])
	switch {
	case err != nil || index < 0 || parts[0] != "1":
		return 0, invalid("cursor: is not a position")
	case parts[2] != "fake":
		return 0, refuse(b2bv1.ErrorCode_ERROR_CODE_EPOCH_CHANGED, "the position is of another log")
	case index > len(o.log):
		return 0, refuse(b2bv1.ErrorCode_ERROR_CODE_CURSOR_AHEAD, "the log has not reached the position")
	case index < o.keptFrom:
		return 0, refuse(b2bv1.ErrorCode_ERROR_CODE_CURSOR_EXPIRED, "the events are no longer kept")
	}
	return index, nil
}

// emit adds an event to the log.
func (o *org) emit(receivers []string, event *b2bv1.Event) error {
	json, err := wirejson.Append(nil, event)
	if err != nil {
		return fmt.Errorf("write an event: %w", err)
	}
	e := entry{receivers: map[string]bool{}, position: position(len(o.log) + 1)}
	json = fmt.Appendf(json[:len(json)-1], `,"cursor":%q}`, e.position)
	parsed, err := b2b.ParseEvent(json)
	if err != nil {
		return err
	}
	e.kind, e.json = parsed.Type, json
	for _, id := range receivers {
		e.receivers[id] = true
	}
	o.log = append(o.log, e)
	return nil
}

// contents are the fields of a message that is sent.
type contents interface {
	proto.Message
	GetContent() string
	GetContentType() string
	GetParts() *b2bv1.PartList
	GetAutomatic() bool
	GetNoReply() bool
	GetReceipts() bool
}

// mark returns a mark of a message as the server shows it: true, or absent.
func mark(set bool) *bool {
	if !set {
		return nil
	}
	return &set
}

// contentOf returns the content of a message that is sent.
func contentOf(req contents) (text, kind string, parts []*b2bv1.Part, err error) {
	text, kind, parts = req.GetContent(), req.GetContentType(), req.GetParts().GetValues()
	m := req.ProtoReflect()
	given := m.Has(m.Descriptor().Fields().ByName("content")) // an empty text is not the text of the parts
	if !given {
		var texts []string
		for _, p := range parts {
			if t := p.GetText().GetContent() + p.GetMarkdown().GetContent(); t != "" {
				texts = append(texts, t)
			}
		}
		text = strings.Join(texts, " ")
	}
	if text == "" {
		return "", "", nil, invalid("content: give content or parts")
	}
	if kind == "" {
		kind = "text"
	}
	if len(parts) == 0 {
		parts = []*b2bv1.Part{{Part: &b2bv1.Part_Text{Text: &b2bv1.TextPart{Content: &text}}}}
	}
	return text, kind, parts, nil
}

// message is a message in a list.
type message interface {
	proto.Message
	GetId() string
	GetCreatedAt() *timestamppb.Timestamp
}

// span is which messages a list has.
type span struct {
	limit  int
	before string // a time in Unix milliseconds, or a page token
	since  *timestamppb.Timestamp
	cursor *string
}

const defaultPage = 50

// page returns the messages of a list by time, the oldest first, or by page token, the newest first.
func page[M message](all []M, s span) (items []M, more, paged bool) {
	if s.limit <= 0 {
		s.limit = defaultPage
	}
	before, err := strconv.ParseInt(s.before, 10, 64)
	byTime := err == nil || s.before == ""
	if byTime && s.cursor == nil {
		for _, m := range all {
			at := m.GetCreatedAt().AsTime().UnixMilli()
			if (s.since == nil || at > s.since.AsTime().UnixMilli()) && (s.before == "" || at < before) {
				items = append(items, m)
			}
		}
		return items[max(0, len(items)-s.limit):], false, false
	}
	token := s.before
	if s.cursor != nil {
		token = *s.cursor
	}
	for _, m := range slices.Backward(all) {
		if token == "" || m.GetId() < token {
			items = append(items, m)
		}
	}
	if len(items) > s.limit {
		return items[:s.limit], true, true
	}
	return items, false, true
}

func nameOf(code b2bv1.ErrorCode) string { return strings.TrimPrefix(code.String(), "ERROR_CODE_") }

func statusOf(err error) int { return catalogue.HTTPStatus(b2b.CodeOf(err)) }
