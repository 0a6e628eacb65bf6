package torture

import (
	"strings"
	"testing"
	"time"
)

func TestAnswers(t *testing.T) {
	t.Parallel()
	names := map[string]string{"b1": "bot-1", "b2": "bot-2"}
	asked := []message{{"t", "s", "ask-1 @bot-1 @bot-2"}, {"t", "s", "ask-2 @bot-1"}, {"u", "s", "ask-3 @bot-1"}}
	good := []message{{"t", "b1", "re ask-1 by bot-1"}, {"u", "b1", "re ask-3 by bot-1"}, {"t", "b2", "re ask-1 by bot-2"}, {"t", "b1", "re ask-2 by bot-1"}}
	for name, c := range map[string]struct {
		said []message
		want string
	}{
		"all":         {good, ""},
		"one missing": {good[:3], `bot-1 answered in t 1 times, and not "re ask-2 by bot-1"`},
		"twice":       {append(good[:4:4], good[3]), "after all was answered"},
		"other order": {[]message{good[3], good[0], good[1], good[2]}, "has to be"},
		"not asked":   {append(good[:4:4], message{"u", "b2", "re ask-3 by bot-2"}), "what nobody asked"},
	} {
		err := answers(append(asked[:3:3], c.said...), names)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestOverlaps(t *testing.T) {
	t.Parallel()
	now := time.Now()
	at := func(s int) time.Time { return now.Add(time.Duration(s) * time.Second) }
	first := hold{delivery: "1", lease: "a", scope: "t", bot: "b", from: at(0), until: at(2)}
	for name, c := range map[string]struct {
		second hold
		fails  bool
	}{
		"another lease at the same time":      {hold{delivery: "1", lease: "b", scope: "t", bot: "b", from: at(1), until: at(3)}, true},
		"the next of the thread":              {hold{delivery: "2", lease: "b", scope: "t", bot: "b", from: at(1), until: at(3)}, true},
		"after the first":                     {hold{delivery: "1", lease: "b", scope: "t", bot: "b", from: at(2), until: at(3)}, false},
		"of another bot":                      {hold{delivery: "1", lease: "b", scope: "t", bot: "c", from: at(1), until: at(3)}, false},
		"of another thread":                   {hold{delivery: "2", lease: "b", scope: "u", bot: "b", from: at(1), until: at(3)}, false},
		"the same lease, by a repeated claim": {hold{delivery: "1", lease: "a", scope: "t", bot: "b", from: at(1), until: at(3)}, false},
	} {
		if err := overlaps([]hold{c.second, first}); (err != nil) != c.fails {
			t.Errorf("%s: %v", name, err)
		}
	}
}
