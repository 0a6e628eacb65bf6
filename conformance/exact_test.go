package conformance

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestOwnKeysAreDeviations: the keys that exactShapes marks as ours are those that the end of SPEC.md tells of.
func TestOwnKeysAreDeviations(t *testing.T) {
	text, err := os.ReadFile("../SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "\n| HXA-Connect's object |")
	if !found {
		t.Fatal("SPEC.md has no table of the keys that HXA-Connect has not")
	}
	quoted := regexp.MustCompile("`([a-z_]+)`")
	var told, ours []string
	for line := range strings.Lines(table) {
		if cells := strings.Split(line, " | "); len(cells) == 3 {
			for _, m := range quoted.FindAllStringSubmatch(cells[1], -1) {
				told = append(told, m[1])
			}
		}
	}
	for _, spec := range exactShapes {
		for field := range strings.FieldsSeq(spec) {
			if key, mine := strings.CutPrefix(field, "+"); mine {
				key, _, _ = strings.Cut(key, ":")
				ours = append(ours, key)
			}
		}
	}
	slices.Sort(told)
	slices.Sort(ours)
	if ours = slices.Compact(ours); !slices.Equal(told, ours) {
		t.Errorf("SPEC.md tells of the keys %v, the shapes mark %v as ours", told, ours)
	}
}

func TestExactlyFindsFaults(t *testing.T) {
	for name, c := range map[string]struct {
		object J
		faults int
	}{
		"as told":        {J{"channel_id": "c", "message": J{}, "ts": 1}, 0},
		"without ours":   {J{"channel_id": "c", "message": J{}}, 0},
		"ours wrong":     {J{"channel_id": "c", "message": J{}, "ts": "1"}, 1},
		"missing":        {J{"message": J{}}, 1},
		"of other types": {J{"channel_id": 5, "message": []int{}}, 2},
		"one too many":   {J{"channel_id": "c", "message": J{}, "more": nil}, 1},
	} {
		probe := &T{}
		probe.exactly("object", normal(c.object), "sent")
		if len(probe.failures) != c.faults {
			t.Errorf("%s: %v", name, probe.failures)
		}
	}
	probe := &T{}
	probe.exactly("object", normal(J{}), "no such shape")
	probe.exactly("array", normal([]int{}), "sent")
	if len(probe.failures) != 2 {
		t.Errorf("an unknown shape and an array: %v", probe.failures)
	}
}
