package mcp

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Each event that a watch asks for changes a resource, and no other one.
func TestTargetsOf(t *testing.T) {
	t.Parallel()
	bot := &b2bv1.BotBrief{Name: "ann"}
	for _, c := range []struct {
		event *b2bv1.Event
		want  []target
	}{
		{&b2bv1.Event{Event: &b2bv1.Event_ThreadMessage{ThreadMessage: &b2bv1.ThreadMessageEvent{ThreadId: "1"}}}, []target{{thread: "1"}}},
		{&b2bv1.Event{Event: &b2bv1.Event_ThreadUpdated{ThreadUpdated: &b2bv1.ThreadUpdatedEvent{Thread: &b2bv1.Thread{Id: "1"}}}}, []target{{thread: "1"}}},
		{&b2bv1.Event{Event: &b2bv1.Event_ThreadStatusChanged{ThreadStatusChanged: &b2bv1.ThreadStatusChangedEvent{ThreadId: "1"}}}, []target{{thread: "1"}}},
		{&b2bv1.Event{Event: &b2bv1.Event_ThreadParticipant{ThreadParticipant: &b2bv1.ThreadParticipantEvent{ThreadId: "1"}}}, []target{{thread: "1"}}},
		{&b2bv1.Event{Event: &b2bv1.Event_ThreadArtifact{ThreadArtifact: &b2bv1.ThreadArtifactEvent{ThreadId: "1", Artifact: &b2bv1.Artifact{ArtifactKey: "k"}}}}, []target{{thread: "1", key: "k"}}},
		{&b2bv1.Event{Event: &b2bv1.Event_BotOnline{BotOnline: &b2bv1.BotOnlineEvent{Bot: bot}}}, []target{{agent: "ann"}}},
		{&b2bv1.Event{Event: &b2bv1.Event_BotOffline{BotOffline: &b2bv1.BotOfflineEvent{Bot: bot}}}, []target{{agent: "ann"}}},
		{&b2bv1.Event{Event: &b2bv1.Event_BotRenamed{BotRenamed: &b2bv1.BotRenamedEvent{OldName: "ann", NewName: "bob"}}}, []target{{agent: "ann"}, {agent: "bob"}}},
		{&b2bv1.Event{Event: &b2bv1.Event_Message{Message: &b2bv1.MessageEvent{ChannelId: "1"}}}, []target{}},
	} {
		if got := targetsOf(c.event); !slices.Equal(got, c.want) || got == nil {
			t.Errorf("%v changes %v, want %v", c.event, got, c.want)
		}
	}
}

// What is noted is what has subscriptions, once each; after a loss of events that is all. A connection
// has a limited number.
func TestWatchNotes(t *testing.T) {
	t.Parallel()
	w := newWatch(nil)
	for i := range mostWatched {
		if err := w.add(fmt.Sprint("uri", i), target{thread: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.add("one more", target{thread: "x"}); err == nil {
		t.Errorf("more than %d resources are accepted", mostWatched)
	}
	if err := w.add("uri1", target{thread: "1"}); err != nil {
		t.Errorf("a second subscription to the same: %v", err)
	}
	w.remove("uri1")
	w.note([]target{{thread: "1"}, {thread: "1"}, {thread: "none"}, {thread: "2", key: "k"}})
	if got := slices.Collect(maps.Keys(w.take())); !slices.Equal(got, []string{"uri1"}) || len(w.signal) != 1 {
		t.Errorf("noted %v, %d signals", got, len(w.signal))
	}
	w.remove("uri1")
	w.note([]target{{thread: "1"}})
	if got := w.take(); len(got) > 0 {
		t.Errorf("noted %v without a subscription", got)
	}
	if w.note(nil); len(w.take()) != mostWatched-1 {
		t.Error("after a loss of events not all are noted")
	}
}
