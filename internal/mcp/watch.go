package mcp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

const (
	// mostWatched is how many resources one connection subscribes to.
	mostWatched = 50
	// watchPause gathers the changes of a resource to one notification.
	watchPause = 200 * time.Millisecond
)

// watched are the types of events that change a resource.
var watched = []string{
	"thread_message", "thread_artifact", "thread_updated", "thread_status_changed", "thread_participant",
	"bot_online", "bot_offline", "bot_renamed",
}

// watch tells the client of one connection that resources have changed to which it has subscribed. It
// follows the events of the bot, so it learns of what the bot may see while it may.
type watch struct {
	tools  *tools
	server *sdk.Server // of the connection
	// closes says that the session ends when the events do, so that the client learns of it.
	closes bool

	mu      sync.Mutex
	targets map[string]*subscribed // by address
	changed map[string]bool        // addresses to notify of
	signal  chan struct{}          // something was added to changed
	stop    context.CancelFunc     // nil: the events are not followed
}

// subscribed is a resource with subscriptions.
type subscribed struct {
	target
	count int
}

func newWatch(t *tools) *watch {
	return &watch{tools: t, targets: map[string]*subscribed{}, changed: map[string]bool{}, signal: make(chan struct{}, 1)}
}

// subscribe handles a subscription. It returns when changes from now on are noticed.
func (w *watch) subscribe(ctx context.Context, req *sdk.SubscribeRequest) error {
	at, err := w.tools.target(ctx, req.Params.URI)
	if err != nil {
		return subscribeError(req.Params.URI, err)
	}
	if err := w.add(req.Params.URI, at); err != nil {
		return err
	}
	if err := w.start(ctx, req.Session); err != nil {
		w.remove(req.Params.URI)
		return subscribeError(req.Params.URI, err)
	}
	return nil
}

// unsubscribe handles the end of a subscription.
func (w *watch) unsubscribe(_ context.Context, req *sdk.UnsubscribeRequest) error {
	w.remove(req.Params.URI)
	return nil
}

func subscribeError(uri string, err error) error {
	if failureOf(err).Code == "NOT_FOUND" {
		return sdk.ResourceNotFoundError(uri)
	}
	return rpcError(err)
}

func (w *watch) add(uri string, at target) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.targets[uri]
	if s == nil {
		if len(w.targets) >= mostWatched {
			return &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: fmt.Sprintf("a connection subscribes to at most %d resources", mostWatched)}
		}
		s = &subscribed{target: at}
		w.targets[uri] = s
	}
	s.count++
	return nil
}

// remove ends a subscription. After the last one no events are followed.
func (w *watch) remove(uri string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.targets[uri]
	if s == nil {
		return
	}
	if s.count--; s.count == 0 {
		delete(w.targets, uri)
		delete(w.changed, uri)
	}
	if len(w.targets) == 0 && w.stop != nil {
		w.stop()
		w.stop = nil
	}
}

// start follows the events, unless they are followed. The goroutines end with the last subscription.
func (w *watch) start(ctx context.Context, session *sdk.ServerSession) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop != nil {
		return nil
	}
	asked := ctx
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	keep := context.AfterFunc(asked, cancel)
	stream, position, err := w.open(ctx, "")
	if err == nil && !keep() {
		err = errors.Join(asked.Err(), stream.Close())
	}
	if err != nil {
		keep()
		cancel()
		return err
	}
	w.stop = cancel
	go w.notify(ctx)
	go func() {
		defer cancel()
		w.ended(ctx, session, w.follow(ctx, stream, position))
	}()
	return nil
}

type eventStream = connect.ServerStreamForClient[b2bv1.SubscribeResponse]

// open opens the stream of events after a position; empty: now. Its first item has its position.
func (w *watch) open(ctx context.Context, position string) (*eventStream, string, error) {
	stream, err := w.tools.Client.Events.Subscribe(ctx, &b2bv1.SubscribeRequest{Cursor: text(position), Types: watched})
	if err != nil {
		return nil, "", err
	}
	if !stream.Receive() {
		return nil, "", errors.Join(endedEarly(stream.Err()), stream.Close())
	}
	return stream, stream.Msg().GetCursor(), nil
}

func endedEarly(err error) error {
	if err == nil {
		return errors.New("the stream of events ended")
	}
	return err
}

// follow notes what changes, until a stream cannot be opened again. It returns why.
func (w *watch) follow(ctx context.Context, stream *eventStream, position string) error {
	for {
		for stream.Receive() {
			if at := stream.Msg().GetCursor(); at != "" {
				position = at
			}
			if e := stream.Msg().GetEvent(); e != nil {
				w.note(targetsOf(e))
			}
		}
		err := endedEarly(stream.Err())
		_ = stream.Close() // it has ended
		for stream = nil; stream == nil; {
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case lost(err): // some events are gone: anything may have changed
				position = ""
				w.note(nil)
			case !passing(err):
				return err
			}
			if err := sleep(ctx, retryPause); err != nil {
				return err
			}
			var at string
			if stream, at, err = w.open(ctx, position); err == nil && at != "" {
				position = at
			}
		}
	}
}

// lost reports whether the events after a position are not there any more.
func lost(err error) bool {
	switch b2b.CodeOf(err) {
	case b2bv1.ErrorCode_ERROR_CODE_CURSOR_EXPIRED, b2bv1.ErrorCode_ERROR_CODE_CURSOR_AHEAD, b2bv1.ErrorCode_ERROR_CODE_EPOCH_CHANGED:
		return true
	}
	return false
}

// ended stops the watch when its events have ended by themselves.
func (w *watch) ended(ctx context.Context, session *sdk.ServerSession, err error) {
	w.mu.Lock()
	stopped := ctx.Err() != nil
	if !stopped {
		w.stop = nil
	}
	w.mu.Unlock()
	if stopped {
		return
	}
	w.tools.Log.WarnContext(ctx, "subscriptions to resources have ended", "error", failureOf(err).Code)
	if w.closes {
		if err := session.Close(); err != nil {
			w.tools.Log.DebugContext(ctx, "a session was not closed", "error", err)
		}
	}
}

// note notes that resources have changed; nil: all of them.
func (w *watch) note(changes []target) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for uri, s := range w.targets {
		for _, c := range changes {
			if s.target == c {
				w.changed[uri] = true
			}
		}
		if changes == nil {
			w.changed[uri] = true
		}
	}
	if len(w.changed) > 0 {
		select {
		case w.signal <- struct{}{}:
		default:
		}
	}
}

// notify notifies the client of what has changed, and then of what has changed meanwhile.
func (w *watch) notify(ctx context.Context) {
	for {
		select {
		case <-w.signal:
		case <-ctx.Done():
			return
		}
		if sleep(ctx, watchPause) != nil {
			return
		}
		for uri := range w.take() {
			if err := w.server.ResourceUpdated(ctx, &sdk.ResourceUpdatedNotificationParams{URI: uri}); err != nil {
				w.tools.Log.DebugContext(ctx, "a client was not notified of a change", "error", err)
			}
		}
	}
}

func (w *watch) take() map[string]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	changed := w.changed
	w.changed = map[string]bool{}
	return changed
}

// target is what the address of a resource stands for: an agent, a thread, or with a key an artifact.
type target struct{ agent, thread, key string }

// target returns what an address stands for, if the bot may read it and gets events of it.
func (t *tools) target(ctx context.Context, address string) (target, error) {
	c := &call{tools: t, page: newPage()}
	if err := c.resource(ctx, address); err != nil {
		return target{}, err
	}
	if name, ok := strings.CutPrefix(address, agentsURI); ok {
		return target{agent: unescape(name)}, nil
	}
	thread, key, _ := strings.Cut(strings.TrimPrefix(address, threadsURI), artifactsURI)
	at := target{thread: unescape(thread), key: unescape(key)}
	res, err := t.Client.Threads.GetThread(ctx, &b2bv1.GetThreadRequest{ThreadId: at.thread})
	if err != nil {
		return target{}, err
	}
	me, err := t.Client.Bots.GetMe(ctx, &b2bv1.GetMeRequest{})
	if err != nil {
		return target{}, err
	}
	for _, p := range res.GetThread().GetParticipants().GetValues() {
		if p.GetBotId() == me.GetBot().GetId() {
			return at, nil
		}
	}
	return target{}, invalid("you are not in this thread: join it to be notified of changes")
}

// targetsOf returns the resources that an event changes.
func targetsOf(e *b2bv1.Event) []target {
	switch {
	case e.GetThreadMessage() != nil:
		return []target{{thread: e.GetThreadMessage().GetThreadId()}}
	case e.GetThreadUpdated() != nil:
		return []target{{thread: e.GetThreadUpdated().GetThread().GetId()}}
	case e.GetThreadStatusChanged() != nil:
		return []target{{thread: e.GetThreadStatusChanged().GetThreadId()}}
	case e.GetThreadParticipant() != nil:
		return []target{{thread: e.GetThreadParticipant().GetThreadId()}}
	case e.GetThreadArtifact() != nil:
		a := e.GetThreadArtifact()
		return []target{{thread: a.GetThreadId(), key: a.GetArtifact().GetArtifactKey()}}
	case e.GetBotOnline() != nil:
		return []target{{agent: e.GetBotOnline().GetBot().GetName()}}
	case e.GetBotOffline() != nil:
		return []target{{agent: e.GetBotOffline().GetBot().GetName()}}
	case e.GetBotRenamed() != nil:
		return []target{{agent: e.GetBotRenamed().GetOldName()}, {agent: e.GetBotRenamed().GetNewName()}}
	}
	return []target{}
}
