package runner

import (
	"context"
	"fmt"
	"slices"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Mode is for which messages of a thread the command is run.
type Mode string

// The modes.
const (
	ModeMention Mode = "mention" // those that are addressed to the bot
	ModeSmart   Mode = "smart"   // all; the prompt says that silence is an answer, too
	ModeAll     Mode = "all"     // all, as if they were addressed to the bot
)

// ModeNames lists the modes.
func ModeNames() []Mode { return []Mode{ModeMention, ModeSmart, ModeAll} }

// Modes has the mode of each thread.
type Modes struct {
	Usual   Mode            // empty: ModeMention
	Threads map[string]Mode // by id, of those with another one
}

func (m Modes) of(thread string) Mode {
	if mode, ok := m.Threads[thread]; ok {
		return mode
	}
	if m.Usual == "" {
		return ModeMention
	}
	return m.Usual
}

// follows reports whether a thread has another mode than ModeMention.
func (m Modes) follows() bool {
	others := func(mode Mode) bool { return mode != ModeMention && mode != "" }
	if others(m.Usual) {
		return true
	}
	for _, mode := range m.Threads {
		if others(mode) {
			return true
		}
	}
	return false
}

// follow executes messages that are addressed to nobody here, one after the other. The
// position is saved after each, so that a message is handled again if the runner dies meanwhile; the
// reply has a request id of the message, so it is sent once.
func (r *runner) follow(ctx context.Context) error {
	return r.Client.Run(ctx, func(ctx context.Context, e *b2b.Event) error {
		if e.GetThreadMessage() == nil {
			return nil
		}
		return r.overhear(ctx, e)
	}, b2b.WithPositionStore(r.Position), b2b.WithNotice(func(err error) { r.Log.Warn("following threads", "error", err) }))
}

// overhear executes a message of a thread, unless it is addressed to the bot, which claims it then, or
// wants no answer.
func (r *runner) overhear(ctx context.Context, e *b2b.Event) error {
	m := e.GetThreadMessage().GetMessage()
	mode := r.Modes.of(m.GetThreadId())
	if mode == ModeMention || m.GetSenderId() == r.Bot || addressedTo(r.Bot, m) || m.GetNoReply() || m.GetAutomatic() {
		return nil
	}
	i := itemOf(&b2bv1.Delivery{ThreadId: &m.ThreadId, Event: e.Event, CreatedAt: m.GetCreatedAt(), Attempt: 1})
	i.Addressed = mode == ModeAll
	log := r.Log.With("message", m.GetId(), "thread", m.GetThreadId(), "sender", i.Sender)
	if why := r.Access.refusal(i); why != "" {
		log.Info("not accepted", "reason", why)
		return nil
	}
	if pause := r.limiter.take(i.Sender); pause > 0 {
		log.Warn("passed over: its sender has sent too much, and it is addressed to nobody")
		return nil
	}
	ctx, cancel := r.life(ctx)
	defer cancel()
	begun := r.Now()
	answer, err := r.execute(ctx, &Job{Item: i, Log: log, Progress: unheard})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		if f := failed(err); f.Final {
			log.Warn("the run has failed", "error", err)
			return nil
		}
		return fmt.Errorf("execute the message: %w", err) // it is tried again some times
	}
	answers := !answer.silent(true)
	if answers {
		if err := r.post(ctx, i, answer, "overheard-"+m.GetId(), nil); err != nil {
			return fmt.Errorf("send the reply: %w", err)
		}
	}
	log.Info("done", "took_ms", r.Now().Sub(begun).Milliseconds(), "replied", answers)
	return nil
}

// unheard is the progress of a message that has no delivery.
func unheard(context.Context, string) error { return nil }

// addressedTo reports whether the inbox of a bot has the message, too.
func addressedTo(bot string, m *b2bv1.ThreadMessage) bool {
	return m.GetMentionAll() || m.GetReplyToMessage().GetSenderId() == bot ||
		slices.ContainsFunc(m.GetMentions(), func(to *b2bv1.Mention) bool { return to.GetBotId() == bot })
}
