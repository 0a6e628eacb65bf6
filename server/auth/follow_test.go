package auth

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/store"
)

// logs is the log of one org, as another node writes it.
type logs struct {
	top    store.LogTop
	events []store.Event
	err    error
	looks  int
}

func (l *logs) LogTop(context.Context, string) (store.LogTop, error) {
	l.looks++
	return l.top, l.err
}

func (l *logs) ReadLog(_ context.Context, _ string, after int64, limit int) (out []store.Event, err error) {
	for _, e := range l.events {
		if e.Seq > after && len(out) < limit {
			out = append(out, e)
		}
	}
	return out, nil
}

func (l *logs) add(types ...string) {
	for _, kind := range types {
		l.top.Seq++
		l.events = append(l.events, store.Event{Seq: l.top.Seq, Type: kind})
	}
}

func TestFollower(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(l *logs)
		forgot bool
		left   bool // is not followed any more
	}{
		{"nothing", func(*logs) {}, false, false},
		{"messages", func(l *logs) { l.add("message", "message") }, false, false},
		{"access", func(l *logs) { l.add("message", accessChanged, "message") }, true, false},
		{"pruned", func(l *logs) { l.add("message", "message"); l.events = l.events[len(l.events)-1:] }, true, false},
		{"destroyed", func(l *logs) { l.err = store.ErrNotFound }, true, true},
		{"another log", func(l *logs) { l.top.Epoch = "f" }, true, true},
		{"a shorter log", func(l *logs) { l.top.Seq-- }, true, true},
		{"no answer", func(l *logs) { l.err = errors.New("no database") }, true, true},
	} {
		l := &logs{top: store.LogTop{Epoch: "e"}}
		l.add("message")
		gens := &generations{seed: maphash.MakeSeed()}
		f := newFollower(l, gens, slog.New(slog.DiscardHandler))
		started := f.begin()
		if was, err := f.follow(t.Context(), "org", started); was || err != nil {
			t.Fatalf("%s: followed before: %v, %v", c.name, was, err)
		}
		if was, err := f.follow(t.Context(), "org", started); was || err != nil {
			t.Errorf("%s: what was read before is good: %v, %v", c.name, was, err)
		}
		if was, err := f.follow(t.Context(), "org", f.begin()); !was || err != nil {
			t.Errorf("%s: not followed: %v, %v", c.name, was, err)
		}
		stamp := gens.begin()
		c.change(l)
		for _, o := range f.take(true) {
			f.look(t.Context(), "org", o)
		}
		if got := gens.slot("org").Load() > stamp; got != c.forgot {
			t.Errorf("%s: forgot %v, want %v", c.name, got, c.forgot)
		}
		if left := f.orgs["org"] == nil; left != c.left {
			t.Errorf("%s: left %v, want %v", c.name, left, c.left)
		} else if !left && f.orgs["org"].seq != l.top.Seq {
			t.Errorf("%s: looked up to %d of %d", c.name, f.orgs["org"].seq, l.top.Seq)
		}
	}
}

// TestFollowerRings: only rings that tell something new about an org that is followed
// make it look.
func TestFollowerRings(t *testing.T) {
	l := &logs{top: store.LogTop{Epoch: "e"}}
	l.add("message", "message")
	f := newFollower(l, &generations{seed: maphash.MakeSeed()}, slog.New(slog.DiscardHandler))
	if _, err := f.follow(t.Context(), "org", f.begin()); err != nil {
		t.Fatal(err)
	}
	f.committed("org", []store.Event{{Seq: 3}, {Seq: 4}})
	f.committed("org", []store.Event{{Seq: 6}}) // another node wrote 5
	for _, c := range []struct {
		org  string
		seq  int64
		want int
	}{{"org", 4, 0}, {"org", 5, 1}, {"org", 0, 1}, {"other", 9, 0}, {"", 0, 1}} {
		f.rung(c.org, c.seq)
		if got := f.take(false); len(got) != c.want {
			t.Errorf("a ring for %q of %d: looks at %d orgs, want %d", c.org, c.seq, len(got), c.want)
		}
	}
}

func TestFollowerForgetsIdleOrgs(t *testing.T) {
	b := newBench(t)
	b.auth.follower = newFollower(b.store, b.auth.gens, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.auth.Run(ctx) }()
	b.accepted(call.Credentials{Bearer: primary})
	f := b.auth.follower
	f.mu.Lock()
	for _, o := range f.orgs {
		o.used.Store(false)
		o.idle = idleLooks - 1
	}
	count := len(f.orgs)
	f.mu.Unlock()
	if count != 1 {
		t.Fatalf("%d orgs are followed", count)
	}
	for deadline := time.Now().Add(5 * time.Second); count > 0 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		f.mu.Lock()
		count = len(f.orgs)
		f.mu.Unlock()
	}
	if count != 0 {
		t.Error("an idle org is followed for ever")
	}
	reads := b.store.reads.Load()
	b.accepted(call.Credentials{Bearer: primary})
	if b.store.reads.Load() == reads {
		t.Error("the credential of an org that is not followed was believed")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
