package eventlog

import (
	"testing"

	"github.com/b2b-protocol/b2b/internal/store"
)

func TestFilter(t *testing.T) {
	t.Parallel()
	thread, other, channel := "t", "u", "c"
	inThread := store.Event{Type: "thread_message", Audience: store.AudienceThread, ThreadID: &thread}
	inOther := store.Event{Type: "thread_message", Audience: store.AudienceThread, ThreadID: &other}
	inChannel := store.Event{Type: "message", Audience: store.AudienceChannel, ChannelID: &channel}
	ofOrg := store.Event{Type: "bot_renamed", Audience: store.AudienceOrg}
	all := []*store.Event{&inThread, &inOther, &inChannel, &ofOrg}
	for _, test := range []struct {
		name   string
		filter Filter
		want   [4]bool
	}{
		{"none", Filter{}, [4]bool{true, true, true, true}},
		{"a thread", Filter{Threads: []string{"t"}}, [4]bool{true, false, false, true}},
		{"a channel", Filter{Channels: []string{"c"}}, [4]bool{false, false, true, true}},
		{"both", Filter{Threads: []string{"t"}, Channels: []string{"c"}}, [4]bool{true, false, true, true}},
		{"a type", Filter{Types: []string{"thread_message"}}, [4]bool{true, true, false, false}},
		{"a type in a thread", Filter{Types: []string{"thread_message"}, Threads: []string{"u"}}, [4]bool{false, true, false, false}},
	} {
		f := newFilter(test.filter)
		for i, e := range all {
			if got := f.passes(e); got != test.want[i] {
				t.Errorf("%s: %s passes %v, want %v", test.name, e.Type, got, test.want[i])
			}
		}
	}
}
