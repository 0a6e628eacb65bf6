package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/term"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// tailing has the flags of tail.
type tailing struct {
	types, threads, agents []string
	from, state            string
	online                 bool
	count                  int
}

func (a *App) tail() *cobra.Command {
	var t tailing
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Follow what happens in your channels and threads",
		Long: "Print events as they happen, until Ctrl-C, --count or --timeout. Interruptions of the connection\n" +
			"lose nothing. With --state the next run goes on where this one ended, and prints first what\n" +
			"happened meanwhile.",
		Example: example("b2b tail", "b2b tail --thread ID --type thread_message", "b2b tail --state ~/.b2b-tail --json | ./handle",
			"b2b tail --agent engineering --count 1 --timeout 10m"),
	}
	f := cmd.Flags()
	f.StringSliceVar(&t.types, "type", nil, "only these `types`: message, thread_message, thread_status_changed, …")
	f.StringSliceVar(&t.threads, "thread", nil, "only what is in the threads with these `ids`")
	f.StringSliceVar(&t.agents, "agent", nil, "only messages of these `agents`")
	f.StringVar(&t.from, "from", "", "begin after this `position`: the cursor of an event")
	f.StringVar(&t.state, "state", "", "keep the position in this `file`")
	f.BoolVar(&t.online, "online", false, "be shown online to others meanwhile")
	f.IntVar(&t.count, "count", 0, "end after so many events")
	return a.verb(cmd, func(r *run, _ []string) error { return t.do(r) }, noTimeout)
}

func (t *tailing) do(r *run) error {
	c, err := r.connect()
	if err != nil {
		return err
	}
	opts := []b2b.ListenOption{
		b2b.WithNotice(func(err error) { r.note("%s", term.Line(message(err))) }),
		b2b.WithReady(func() { r.note("Connected. Ctrl-C ends it.") }),
	}
	if !t.online {
		opts = append(opts, b2b.WithTransport(b2b.ServerSentEvents))
	}
	if t.from != "" {
		opts = append(opts, b2b.FromPosition(t.from))
	}
	if t.state != "" {
		opts = append(opts, b2b.WithPositionStore(b2b.FileStore(t.state)), b2b.WithManualCommit()) // the last one counts, too
	}
	who, topics := r.names(c), &topics{r: r, c: c, known: map[string]string{}}
	n := 0
	for event, err := range c.Listen(r.ctx, opts...) {
		if err != nil {
			if r.ctx.Err() != nil { // Ctrl-C or --timeout, which is how it ends
				return nil
			}
			return err
		}
		if !t.wants(event) {
			event.Commit()
			continue
		}
		if r.json {
			r.out.Printf("%s\n", event.Raw)
		} else {
			r.event(event, who, topics)
		}
		if r.out.Err() != nil {
			return r.out.Err()
		}
		event.Commit()
		if n++; n == t.count {
			break
		}
	}
	return nil
}

// wants reports whether an event passes the filters.
func (t *tailing) wants(e *b2b.Event) bool {
	if e.Type == b2b.Resync {
		return true
	}
	if len(t.types) > 0 && !slices.Contains(t.types, e.Type) {
		return false
	}
	thread, sender := subject(e.Event)
	if len(t.threads) > 0 && !slices.Contains(t.threads, thread) {
		return false
	}
	return len(t.agents) == 0 || slices.Contains(t.agents, sender)
}

// subject returns the thread of an event and the bot that sent it, if it has them.
func subject(e *b2bv1.Event) (thread, sender string) {
	switch v := e.GetEvent().(type) {
	case *b2bv1.Event_Message:
		return "", v.Message.GetSenderName()
	case *b2bv1.Event_ThreadMessage:
		return v.ThreadMessage.GetThreadId(), v.ThreadMessage.GetMessage().GetSenderName()
	case *b2bv1.Event_ThreadCreated:
		return v.ThreadCreated.GetThread().GetId(), ""
	case *b2bv1.Event_ThreadUpdated:
		return v.ThreadUpdated.GetThread().GetId(), ""
	case *b2bv1.Event_ThreadStatusChanged:
		return v.ThreadStatusChanged.GetThreadId(), ""
	case *b2bv1.Event_ThreadArtifact:
		return v.ThreadArtifact.GetThreadId(), ""
	case *b2bv1.Event_ThreadParticipant:
		return v.ThreadParticipant.GetThreadId(), ""
	case *b2bv1.Event_ThreadJoinRequest:
		return v.ThreadJoinRequest.GetThreadId(), ""
	case *b2bv1.Event_ThreadJoinResolved:
		return v.ThreadJoinResolved.GetThreadId(), ""
	}
	return "", ""
}

// event writes an event.
func (r *run) event(e *b2b.Event, who *names, topics *topics) {
	at := r.out.Time(r.clock.Now())
	if r.out.Width > 0 { // what happens now needs no relative time
		at = r.clock.Now().Local().Format(time.TimeOnly)
	}
	if e.Type == b2b.Resync {
		r.out.Printf("%s %s\n", r.out.Dim(at), r.out.Yellow("Events are missing ("+b2b.EnumText(e.Reason)+"): read what you need."))
		return
	}
	thread, _ := subject(e.Event)
	where := ""
	if thread != "" {
		where = "[" + topics.of(thread) + "] "
	}
	switch v := e.GetEvent().(type) {
	case *b2bv1.Event_Message:
		r.line(at, "", v.Message.GetSenderName(), v.Message.GetMessage())
	case *b2bv1.Event_ThreadMessage:
		r.line(at, where, v.ThreadMessage.GetMessage().GetSenderName(), v.ThreadMessage.GetMessage())
	default:
		text := r.eventLine(e.Event, who.of)
		if text == "" {
			text = e.Type
		}
		r.out.Printf("%s %s\n", r.out.Dim(at), r.out.Dim(term.Line(where+text)))
	}
}

// line writes a message that was just sent.
func (r *run) line(at, where, sender string, m anyMessage) {
	r.out.Printf("%s %s%s: ", r.out.Dim(at), r.out.Cyan(where), r.out.Bold(term.Line(sender)))
	first := true
	for line := range strings.SplitSeq(term.Escape(m.GetContent()), "\n") {
		if !first {
			r.out.Printf("    ")
		}
		first = false
		r.out.Printf("%s\n", line)
	}
	for _, p := range m.GetParts() {
		if note := partNote(p); note != "" {
			r.out.Printf("    %s\n", r.out.Cyan(note))
		}
	}
}

// topics returns the topics of threads, as far as they are asked for.
type topics struct {
	r     *run
	c     *b2b.Client
	known map[string]string
}

// of returns the topic of a thread, or its id if it cannot be read.
func (t *topics) of(id string) string {
	if topic, ok := t.known[id]; ok {
		return topic
	}
	topic := id
	ctx, cancel := context.WithTimeout(t.r.ctx, t.r.app.Completion)
	defer cancel()
	if res, err := t.c.Threads.GetThread(ctx, &b2bv1.GetThreadRequest{ThreadId: id}); err == nil {
		topic = term.Cut(term.Line(res.GetThread().GetTopic()), 40)
	}
	if len(t.known) < mostNames {
		t.known[id] = topic
	}
	return topic
}
