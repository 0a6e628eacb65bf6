package thread

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/internal/limits"
)

func TestParsePolicyAccepts(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`{}`:                                              `{}`,
		` { "close": ["initiator"] } `:                    `{"close":["initiator"]}`,
		`{"write":null,"resolve":[]}`:                     `{"write":null,"resolve":[]}`,
		`{"manage":["a","a"," b ","","*"]}`:               `{"manage":["a","a"," b ","","*"]}`,
		`{"remove":["\u0041"]}`:                           `{"remove":["\u0041"]}`,
		`{"invite":["1","2","3","4","5"]}`:                `{"invite":["1","2","3","4","5"]}`,
		"{\n\t\"write\" : [ \"<lead> & co\"]}":            `{"write":["<lead> & co"]}`,
		`{"write":["` + strings.Repeat("x", 5000) + `"]}`: `{"write":["` + strings.Repeat("x", 5000) + `"]}`,
		`{ "write":["` + strings.Repeat("x", limits.MaxPolicy-14) + `"]}`:          `{"write":["` + strings.Repeat("x", limits.MaxPolicy-14) + `"]}`,
		`{"resolve":[],"close":[],"invite":[],"remove":[],"write":[],"manage":[]}`: `{"resolve":[],"close":[],"invite":[],"remove":[],"write":[],"manage":[]}`,
	} {
		got, err := ParsePolicy([]byte(raw))
		if err != nil || got == nil || *got != want {
			t.Errorf("ParsePolicy(%s) = %v, %v, want %s", raw, got, err, want)
		}
	}
	for _, raw := range []string{"null", " null\n"} {
		if got, err := ParsePolicy([]byte(raw)); got != nil || err != nil {
			t.Errorf("ParsePolicy(%s) = %v, %v, want none", raw, got, err)
		}
	}
}

func TestParsePolicyRefuses(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		``, ` `, `{`, `{}{}`, `[]`, `[1]`, `"{}"`, `0`, `1`, `true`, `false`, `nul`,
		`{"Close":[]}`, `{"":[]}`, `{"close ":null}`, `{"status":["*"]}`, `{"__proto__":null}`,
		`{"close":"*"}`, `{"close":{}}`, `{"close":1}`, `{"close":false}`, `{"close":[1]}`, `{"close":[null]}`, `{"close":[["a"]]}`,
		`{"close":["1","2","3","4","5","6"]}`, `{"write":[],"close":["1","2","3","4","5","6"]}`,
		`{"close":[],"close":["*"]}`, `{"close":null,"clos\u0065":["*"]}`,
		"{\"close\":[\"\xff\"]}", strings.Repeat(`{"close":`, 20000) + "null" + strings.Repeat("}", 20000),
		`{"` + strings.Repeat("é", 500) + `":null}`,
		`{"write":["` + strings.Repeat("x", limits.MaxPolicy-13) + `"]}`,
	} {
		got, err := ParsePolicy([]byte(raw))
		var refused *PolicyError
		if !errors.As(err, &refused) || got != nil {
			t.Errorf("ParsePolicy(%.80s) = %v, %v, want a refusal", raw, got, err)
			continue
		}
		if len(err.Error()) > 400 {
			t.Errorf("ParsePolicy(%.40s): %d bytes of error", raw, len(err.Error()))
		}
	}
}

// A policy with very many labels is refused before they are decoded (B2B-LIM-031).
func TestParsePolicyCountsFirst(t *testing.T) {
	// Not parallel: it counts the allocations of the whole process.
	raw := []byte(`{"write":[` + strings.Repeat(`"",`, 300_000) + `""]}`)
	var err error
	allocations := testing.AllocsPerRun(1, func() { _, err = ParsePolicy(raw) })
	var refused *PolicyError
	if !errors.As(err, &refused) || allocations > 100 {
		t.Errorf("%v, with %v allocations", err, allocations)
	}
}

func text(s string) *string { return &s }

// TestEvaluateConsequences checks the consequences of B2B-THR-071 to 075, case by case.
func TestEvaluateConsequences(t *testing.T) {
	t.Parallel()
	boss, lead, plain := Subject{Initiator: true}, Subject{Label: "lead"}, Subject{}
	for _, c := range []struct {
		name        string
		thread, org *string
		action      Action
		who         Subject
		want        bool
	}{
		{"no policy: writing is open", nil, nil, ActionWrite, plain, true},
		{"no policy: manage is not", nil, nil, ActionManage, plain, false},
		{"no policy: the initiator manages", nil, nil, ActionManage, boss, true},
		{"an unreadable policy denies the initiator", text(`{"write":`), nil, ActionWrite, boss, false},
		{"an unreadable policy denies even what the org allows", text("x"), text(`{"write":["*"]}`), ActionWrite, boss, false},
		{"null is not a policy text", text("null"), nil, ActionWrite, boss, false},
		{"{} disables the org default", text(`{}`), text(`{"write":[]}`), ActionWrite, plain, true},
		{"an old [] does as {}", text(`[]`), text(`{"write":[]}`), ActionWrite, plain, true},
		{"a key it lacks never looks at the org", text(`{"close":[]}`), text(`{"write":[]}`), ActionWrite, plain, true},
		{"a null key never looks at the org", text(`{"write":null}`), text(`{"write":[]}`), ActionWrite, plain, true},
		{"the org default counts without a policy", nil, text(`{"write":["lead"]}`), ActionWrite, plain, false},
		{"the org default knows labels", nil, text(`{"write":["lead"]}`), ActionWrite, lead, true},
		{"an org default for another action", nil, text(`{"close":[]}`), ActionWrite, plain, true},
		{"an unreadable org default is none", nil, text(`{`), ActionWrite, plain, true},
		{"and leaves manage to the initiator", nil, text(`{`), ActionManage, plain, false},
		{"an empty array denies the initiator", text(`{"close":[]}`), nil, ActionClose, boss, false},
		{"an empty manage denies the initiator", text(`{"manage":[]}`), nil, ActionManage, boss, false},
		{"the star opens manage", text(`{"manage":["*"]}`), nil, ActionManage, plain, true},
		{"no implicit right for the initiator", text(`{"close":["lead"]}`), nil, ActionClose, boss, false},
		{"initiator by name", text(`{"close":["initiator"]}`), nil, ActionClose, boss, true},
		{"initiator by name, somebody else", text(`{"close":["initiator"]}`), nil, ActionClose, plain, false},
		{"labelled initiator is not the initiator", text(`{"close":["initiator"]}`), nil, ActionClose, Subject{Label: "initiator"}, false},
		{"the initiator with another label", text(`{"close":["lead"]}`), nil, ActionClose, Subject{Initiator: true, Label: "lead"}, true},
		{"labels are exact", text(`{"close":["Lead"]}`), nil, ActionClose, lead, false},
		{"labels are not trimmed", text(`{"close":[" lead"]}`), nil, ActionClose, lead, false},
		{"an empty label never matches", text(`{"close":[""]}`), nil, ActionClose, plain, false},
		{"a label * needs a star", text(`{"close":["lead"]}`), nil, ActionClose, Subject{Label: "*"}, false},
		{"of a double key the last counts", text(`{"close":["*"],"close":[]}`), nil, ActionClose, boss, false},
		{"also when the last is null", text(`{"close":[],"close":null}`), nil, ActionClose, plain, true},
		{"what is no array does not restrict", text(`{"close":"lead"}`), nil, ActionClose, plain, true},
		{"what is no string matches nobody", text(`{"close":[1,null,"lead"]}`), nil, ActionClose, lead, true},
	} {
		if got := Allowed(c.thread, c.org, c.action, c.who); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// oracle is an independent implementation of B2B-THR-071 to 075 on maps.
func oracle(threadPolicy, org *string, action Action, who Subject) bool {
	var labels []string
	found := false
	take := func(raw *string) bool {
		var object map[string]*[]string
		if json.Unmarshal([]byte(*raw), &object) != nil || object == nil {
			return false
		}
		if list := object[string(action)]; list != nil {
			labels, found = *list, true
		}
		return true
	}
	if threadPolicy != nil {
		if !take(threadPolicy) {
			return false
		}
	} else if org != nil {
		take(org)
	}
	if !found {
		return action != ActionManage || who.Initiator
	}
	for _, label := range labels {
		if label == "*" || (label == "initiator" && who.Initiator) {
			return true
		}
	}
	for _, label := range labels {
		if who.Label != "" && who.Label != "initiator" && label == who.Label {
			return true
		}
	}
	return false
}

// Every kind of thread policy x every kind of org default x every action x every kind of caller.
func TestEvaluateExhaustively(t *testing.T) {
	t.Parallel()
	lists := []string{`null`, `[]`, `["*"]`, `["initiator"]`, `["lead"]`, `["initiator","lead"]`, `["lead","*"]`, `["other"]`, `[""]`}
	callers := []Subject{}
	for _, label := range []string{"", "lead", "other", "Lead", "initiator", "*"} {
		callers = append(callers, Subject{Label: label}, Subject{Initiator: true, Label: label})
	}
	checked := 0
	for _, action := range Actions() {
		policies := []*string{nil, text("{broken"), text("{}")}
		for _, other := range Actions() {
			if other != action {
				policies = append(policies, text(`{"`+string(other)+`":[]}`))
			}
		}
		for _, list := range lists {
			policies = append(policies, text(`{"`+string(action)+`":`+list+`}`))
		}
		for _, threadPolicy := range policies {
			for _, org := range policies {
				for _, who := range callers {
					checked++
					if got, want := Allowed(threadPolicy, org, action, who), oracle(threadPolicy, org, action, who); got != want {
						t.Fatalf("%s, thread %v, org %v, %+v: %v, want %v", action, show(threadPolicy), show(org), who, got, want)
					}
				}
			}
		}
	}
	if want := 6 * 17 * 17 * 12; checked != want {
		t.Errorf("checked %d combinations, want %d", checked, want)
	}
}

func show(s *string) string {
	if s == nil {
		return "none"
	}
	return *s
}

// An accepted policy is compact, can be read, and is accepted again without a change. A text that
// ParsePolicy refuses may be in an old database, and reading it must not fail.
func FuzzPolicy(f *testing.F) {
	for _, raw := range []string{`{"close":["initiator"]}`, `{"write":null}`, `[]`, `null`, `{"close":[1]}`, `{"a":{}}`, `{"close":[],"close":[]}`, "{\"close\":[\"\xff\"]}"} {
		f.Add(raw, "lead", true)
	}
	f.Fuzz(func(t *testing.T, raw, label string, initiator bool) {
		who := Subject{Initiator: initiator, Label: label}
		for _, action := range Actions() {
			Allowed(&raw, &raw, action, who)
		}
		stored, err := ParsePolicy([]byte(raw))
		if err != nil {
			var refused *PolicyError
			if !errors.As(err, &refused) {
				t.Fatalf("ParsePolicy(%q): %v is not a refusal", raw, err)
			}
			return
		}
		if stored == nil {
			return
		}
		again, err := ParsePolicy([]byte(*stored))
		if err != nil || again == nil || *again != *stored {
			t.Fatalf("ParsePolicy is not stable: %q, then %v, %v", *stored, again, err)
		}
		for _, action := range Actions() {
			if got, want := Allowed(stored, nil, action, who), oracle(stored, nil, action, who); got != want {
				t.Fatalf("%s by %+v under %q: %v, want %v", action, who, *stored, got, want)
			}
		}
	})
}

func BenchmarkEvaluateRead(b *testing.B) {
	policy := text(`{"write":["lead","reviewer"],"manage":["initiator"],"close":["initiator","lead"]}`)
	for b.Loop() {
		Allowed(policy, nil, ActionWrite, Subject{Label: "reviewer"})
	}
}
