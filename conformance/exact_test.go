package conformance

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestAddedKeysAreDeviations checks that SPEC.md lists exactly the keys that exactShapes marks with
// +.
func TestAddedKeysAreDeviations(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "\n| HXA-Connect's object |")
	if !found {
		t.Fatal("SPEC.md has no table of the keys that HXA-Connect does not have")
	}
	quoted := regexp.MustCompile("`([a-z_]+)`")
	var documented, added []string
	for line := range strings.Lines(table) {
		if cells := strings.Split(line, " | "); len(cells) == 3 {
			for _, m := range quoted.FindAllStringSubmatch(cells[1], -1) {
				documented = append(documented, m[1])
			}
		}
	}
	for _, spec := range exactShapes {
		for field := range strings.FieldsSeq(spec) {
			if key, ok := strings.CutPrefix(field, "+"); ok {
				key, _, _ = strings.Cut(key, ":")
				added = append(added, key)
			}
		}
	}
	slices.Sort(documented)
	slices.Sort(added)
	if added = slices.Compact(added); !slices.Equal(documented, added) {
		t.Errorf("SPEC.md lists the keys %v, exactShapes marks %v", documented, added)
	}
}

func TestExactlyFindsFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		object J
		faults int
	}{
		"all keys":        {J{"channel_id": "c", "message": J{}, "ts": 1}, 0},
		"no added key":    {J{"channel_id": "c", "message": J{}}, 0},
		"added key wrong": {J{"channel_id": "c", "message": J{}, "ts": "1"}, 1},
		"missing":         {J{"message": J{}}, 1},
		"wrong types":     {J{"channel_id": 5, "message": []int{}}, 2},
		"extra key":       {J{"channel_id": "c", "message": J{}, "more": nil}, 1},
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
