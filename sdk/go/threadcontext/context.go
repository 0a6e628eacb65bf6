package threadcontext

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"sync"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Options say what counts as a mention, what is delivered at once, and how much is kept and
// rendered. The zero value of a field means its default.
type Options struct {
	BotNames []string         // with which @name is a mention
	BotID    string           // of the own bot; default: that of the client's token
	Patterns []*regexp.Regexp // further texts that count as a mention

	MaxMessages int // kept for each thread, the oldest fall out; default 50
	MaxEvents   int // the same for events of its life; default 25
	MaxThreads  int // kept; the one that was quiet for the longest falls out; default 1000

	// BufferInvites keeps an invitation to a thread until a mention, instead of delivering it.
	BufferInvites bool
	// Modes says what happens to events of the life of a thread, by their type such as
	// "thread_artifact"; default: Buffer, and for invitations as BufferInvites says.
	Modes map[string]Mode

	// Unescaped leaves line breaks in texts of others as they are. Such a text can look like lines
	// of the prompt.
	Unescaped bool
	// MaxTokens limits a prompt, estimated as one token for 4 bytes, at least 100; default: no limit.
	MaxTokens int

	Logger *slog.Logger // for threads that could not be loaded; default: none
}

// Mode is what happens to an event of the life of a thread.
type Mode string

// The modes.
const (
	Deliver Mode = "deliver" // at once, with all that waits
	Buffer  Mode = "buffer"
	Ignore  Mode = "ignore"
)

// Reason is why something is delivered.
type Reason string

// The reasons.
const (
	Mentioned Reason = "message"
	Invited   Reason = "invite"
	Lifecycle Reason = "lifecycle"
	Flushed   Reason = "flush"
)

// Delivery is what waited in a thread, and what is known of it. Handlers must not change it.
type Delivery struct {
	ThreadID string
	Reason   Reason
	// Message is the one that mentions, or else the last that waited; nil: none waited.
	Message *b2bv1.ThreadMessage

	Thread       *b2bv1.Thread // with the topic "unknown" if it could not be loaded
	Participants []*b2bv1.ThreadParticipant
	Artifacts    []*b2bv1.Artifact // the newest version of each
	Messages     []*b2bv1.ThreadMessage
	Events       []*b2bv1.Event // of its life, without those that a later one makes obsolete
}

// Handler handles a delivery. After an error, all of it waits on.
type Handler func(context.Context, *Delivery) error

// Context collects what happens in threads. It is safe for concurrent use.
type Context struct {
	client  *b2b.Client
	options Options
	handle  Handler
	others  []*regexp.Regexp // names that are not of A-Z, a-z, 0-9, _ and -

	mu      sync.Mutex
	botID   string
	threads map[string]*state
	orders  int64 // counts what is taken in
}

// New returns a context that gives deliveries to a handler.
func New(client *b2b.Client, o Options, handle Handler) *Context {
	o.MaxMessages, o.MaxEvents, o.MaxThreads = positive(o.MaxMessages, 50), positive(o.MaxEvents, 25), positive(o.MaxThreads, 1000)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Context{
		client: client, options: o, handle: handle, others: otherNames(o.BotNames), botID: o.BotID, threads: map[string]*state{},
	}
}

func positive(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}

// ErrNested is the error of a handler that waits for another delivery of its own thread.
var ErrNested = errors.New("threadcontext: a handler cannot wait for another delivery of its thread")

type deliveringKey struct{}

// Handle takes in an event, for [b2b.Client.Run]. It returns after the delivery that the event
// causes, if any, with the error of the handler; the same event can be given again then. An event
// that was taken in before changes nothing, and those of other types are ignored.
func (c *Context) Handle(ctx context.Context, event *b2b.Event) error {
	if err := c.identify(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	d := c.take(event)
	c.mu.Unlock()
	return c.deliver(ctx, d)
}

// Flush delivers what waits in a thread, if anything does.
func (c *Context) Flush(ctx context.Context, threadID string) error {
	c.mu.Lock()
	var d *delivery
	if s := c.threads[threadID]; s != nil && len(s.messages)+len(s.events) > 0 {
		c.orders++
		d = s.ask(threadID, Flushed, nil, c.orders)
	}
	c.mu.Unlock()
	return c.deliver(ctx, d)
}

// identify finds the id of the own bot.
func (c *Context) identify(ctx context.Context) error {
	c.mu.Lock()
	known := c.botID != ""
	c.mu.Unlock()
	if known {
		return nil
	}
	me, err := c.client.Bots.GetMe(ctx, &b2bv1.GetMeRequest{})
	if err != nil {
		return fmt.Errorf("find the own bot: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.botID = me.GetBot().GetId()
	return nil
}

// deliver waits for the other deliveries of the thread, and calls the handler.
func (c *Context) deliver(ctx context.Context, d *delivery) error {
	if d == nil {
		return nil
	}
	s := d.state
	defer func() {
		c.mu.Lock()
		s.pending--
		c.mu.Unlock()
	}()
	if ctx.Value(deliveringKey{}) == s {
		return ErrNested
	}
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	c.mu.Lock()
	due := s.due(d)
	if due {
		s.upTo = d.order
	}
	c.mu.Unlock()
	if !due {
		return nil
	}
	defer func() {
		c.mu.Lock()
		s.upTo = everything
		c.mu.Unlock()
	}()
	c.load(ctx, d)
	c.mu.Lock()
	found := s.collect(d)
	c.mu.Unlock()
	if err := c.handle(context.WithValue(ctx, deliveringKey{}, s), found); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s.succeeded(d, found)
	return nil
}

// load loads what is not known of a thread. What cannot be loaded is tried again at the next
// delivery.
func (c *Context) load(ctx context.Context, d *delivery) {
	s := d.state
	c.mu.Lock()
	thread, artifacts := s.thread == nil || s.participants == nil, !s.artifactsLoaded
	c.mu.Unlock()
	if thread {
		res, err := c.client.Threads.GetThread(ctx, &b2bv1.GetThreadRequest{ThreadId: d.threadID})
		if err != nil {
			c.options.Logger.WarnContext(ctx, "a thread could not be loaded", "thread", d.threadID, "error", err)
			return
		}
		c.mu.Lock()
		s.loaded(res.GetThread())
		c.mu.Unlock()
	}
	if !artifacts {
		return
	}
	var all []*b2bv1.Artifact
	for a, err := range c.client.EachArtifact(ctx, &b2bv1.ListArtifactsRequest{ThreadId: d.threadID}) {
		if err != nil {
			c.options.Logger.WarnContext(ctx, "the artifacts of a thread could not be loaded", "thread", d.threadID, "error", err)
			return
		}
		all = append(all, a)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s.artifactsLoaded = true
	for _, a := range all {
		s.newest(a)
	}
}

// Waiting returns how many messages and events wait in a thread.
func (c *Context) Waiting(threadID string) (messages, events int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.threads[threadID]; s != nil {
		return len(s.messages), len(s.events)
	}
	return 0, 0
}
