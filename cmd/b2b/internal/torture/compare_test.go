package torture

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// story makes a log: a is in a thread from the beginning, b from its fourth event to its last but
// one, and c sees what everyone sees.
func story(t *testing.T) []Row {
	participant := func(bot, by string, action b2bv1.ParticipantAction, label *b2bv1.LabelValue) *b2bv1.Event {
		return &b2bv1.Event{Event: &b2bv1.Event_ThreadParticipant{ThreadParticipant: &b2bv1.ThreadParticipantEvent{
			ThreadId: "t", BotId: bot, By: by, Action: action, Label: label,
		}}}
	}
	message := func(text string) *b2bv1.Event {
		return &b2bv1.Event{Event: &b2bv1.Event_ThreadMessage{ThreadMessage: &b2bv1.ThreadMessageEvent{
			ThreadId: "t", Message: &b2bv1.ThreadMessage{Id: text, ThreadId: "t", SenderId: proto.String("a"), Content: text},
		}}}
	}
	const joined, left = b2bv1.ParticipantAction_PARTICIPANT_ACTION_JOINED, b2bv1.ParticipantAction_PARTICIPANT_ACTION_LEFT
	all := []*b2bv1.Event{
		{Event: &b2bv1.Event_ThreadCreated{ThreadCreated: &b2bv1.ThreadCreatedEvent{Thread: &b2bv1.Thread{Id: "t", InitiatorId: proto.String("a")}}}},
		participant("a", "a", joined, nil),
		message("early"),
		participant("b", "a", joined, &b2bv1.LabelValue{}),
		message("one"),
		{Event: &b2bv1.Event_BotRenamed{BotRenamed: &b2bv1.BotRenamedEvent{BotId: "a", NewName: "x"}}},
		message("two"),
		participant("b", "b", left, nil),
		message("late"),
	}
	log := make([]Row, len(all))
	for i, e := range all {
		payload, err := proto.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if log[i], err = newRow(&store.Event{Seq: int64(i) + 1, Audience: store.AudienceOrg, Payload: payload}); err != nil {
			t.Fatal(err)
		}
	}
	findInitial(log)
	return log
}

func expectedBy(t *testing.T, v Viewer) []*Row {
	rows, err := v.Expected(story(t))
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func transcript(rows []*Row) []Entry {
	var out []Entry
	for _, r := range rows {
		out = append(out, Entry{Seq: r.Seq, Text: r.Text, Via: "life 1"})
	}
	return out
}

func TestExpected(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		v    Viewer
		want string
	}{
		{Viewer{Bot: "a"}, "1 2 3 4 5 6 7 8 9"},
		{Viewer{Bot: "b"}, "4 5 6 7 8"},
		{Viewer{Bot: "c"}, "6"},
		{Viewer{}, "6"},
		{Viewer{Names: map[string]bool{"t": true}}, "1 2 3 4 5 6 7 8 9"},
	} {
		text := ""
		for _, r := range expectedBy(t, c.v) {
			text += fmt.Sprint(" ", r.Seq)
		}
		if text != " "+c.want {
			t.Errorf("%+v must receive%s, want %s", c.v, text, c.want)
		}
	}
}

// TestCompareFindsFaults changes a transcript in every way in which a server could fail, at every
// place: compare must find each change.
func TestCompareFindsFaults(t *testing.T) {
	t.Parallel()
	b := Viewer{Bot: "b"}
	want := expectedBy(t, b)
	good := transcript(want)
	if err := compare(b, want, good); err != nil {
		t.Fatalf("a good transcript: %v", err)
	}
	early := Entry{Seq: 3, Text: story(t)[2].Text}
	for i := range good {
		faults := map[string][]Entry{
			"lost":      slices.Delete(slices.Clone(good), i, i+1),
			"doubled":   slices.Insert(slices.Clone(good), i, good[i]),
			"of others": slices.Insert(slices.Clone(good), i, early),
			"cut off":   good[:i],
		}
		if i > 0 {
			swapped := slices.Clone(good)
			swapped[i-1], swapped[i] = swapped[i], swapped[i-1]
			faults["swapped"] = swapped
		}
		altered := slices.Clone(good)
		altered[i].Text = strings.Replace(altered[i].Text, "{", "{ ", 1)
		faults["altered"] = altered
		moved := slices.Clone(good)
		moved[i].Seq++
		faults["at another position"] = moved
		for name, got := range faults {
			if compare(b, want, got) == nil {
				t.Errorf("an event that is %s, at %d, is not found", name, i)
			}
		}
	}
}

// TestCompareFindsFaultsOfCatchUps replaces any part of a transcript by a catch-up.
func TestCompareFindsFaultsOfCatchUps(t *testing.T) {
	t.Parallel()
	b := Viewer{Bot: "b"}
	want := expectedBy(t, b)
	good := transcript(want)
	for from := range good {
		for to := from; to <= len(good); to++ {
			missed := Entry{From: 3, Seq: 3, Rows: b.Missed(want[from:to])}
			if from > 0 {
				missed.From, missed.Seq = want[from-1].Seq, want[from-1].Seq
			}
			if to > from {
				missed.Seq = want[to-1].Seq
			}
			caught := slices.Concat(good[:from], []Entry{missed}, good[to:])
			if err := compare(b, want, caught); err != nil {
				t.Errorf("a good catch-up for %d to %d: %v", from, to, err)
			}
			for key := range missed.Rows {
				for _, by := range []int64{-1, 1} {
					wrong := missed
					wrong.Rows = b.Missed(want[from:to])
					if wrong.Rows[key] += by; wrong.Rows[key] == 0 {
						delete(wrong.Rows, key)
					}
					if compare(b, want, slices.Concat(good[:from], []Entry{wrong}, good[to:])) == nil {
						t.Errorf("%s that is wrong by %d, in a catch-up for %d to %d, is not found", key, by, from, to)
					}
				}
			}
			if from > 0 {
				skips := slices.Concat(good[:from-1], []Entry{missed}, good[to:])
				if compare(b, want, skips) == nil {
					t.Errorf("a catch-up for %d to %d that begins behind a lost event is not found", from, to)
				}
			}
			if to < len(good) {
				if compare(b, want, slices.Concat(good[:from], []Entry{missed}, good[to+1:])) == nil {
					t.Errorf("an event lost behind a catch-up for %d to %d is not found", from, to)
				}
			}
		}
	}
}

func TestJudgeOfWrites(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fate int
		ids  []string
		ok   bool
	}{
		{acknowledged, []string{"id"}, true}, {acknowledged, nil, false}, {acknowledged, []string{"other"}, false}, {acknowledged, []string{"id", "other"}, false},
		{unknown, nil, true}, {unknown, []string{"other"}, true}, {unknown, []string{"a", "b"}, false},
		{refused, nil, true}, {refused, []string{"other"}, false},
	} {
		s := &sent{text: "x", id: "id", fate: c.fate}
		if err := s.judge(c.ids); (err == nil) != c.ok {
			t.Errorf("fate %d found as %v: %v", c.fate, c.ids, err)
		}
	}
}

func TestJudgeOfHistory(t *testing.T) {
	t.Parallel()
	log := story(t)
	const path = "/api/org/threads/t/messages"
	for _, c := range []struct {
		list string
		ok   bool
	}{
		{"early one two late", true}, {"early two one late", false}, {"early one late", false}, {"early one two two late", false}, {"early one two late later", false}, {"", false},
	} {
		if err := (History{path: strings.Fields(c.list)}).Judge(log); (err == nil) != c.ok {
			t.Errorf("history %q: %v", c.list, err)
		}
	}
}
