package config

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	pageRow  = regexp.MustCompile("(?m)^\\| (`(?:B2B|OTEL)_.*?) \\| (.*?) \\| (.*?) \\| .+ \\|$")
	pageName = regexp.MustCompile("`([A-Z][A-Z0-9_]+)`")
	pageText = regexp.MustCompile("^`([^`]+)`(;.*)?$")
)

// asked returns the names that are looked up, setting by setting.
func asked() (names []string) {
	load(func(name string) (string, bool) {
		names = append(names, name)
		return "", false
	})
	return names
}

// TestSettingsPage compares the page for operators with the settings that are read: each name,
// older names in the row of the new one, flags, and defaults.
func TestSettingsPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/operate/settings.md")
	if err != nil {
		t.Fatal(err)
	}
	rowOf := map[string]int{}
	rows := pageRow.FindAllStringSubmatch(string(page), -1)
	for i, row := range rows {
		for _, name := range pageName.FindAllStringSubmatch(row[1]+row[2], -1) {
			if _, twice := rowOf[name[1]]; twice {
				t.Errorf("the page has %s twice", name[1])
			}
			rowOf[name[1]] = i
		}
	}
	names := asked()
	ours := ""
	for _, name := range names {
		row, there := rowOf[name]
		switch {
		case strings.HasPrefix(name, "--"):
			if !strings.Contains(string(page), "`"+name+"`") {
				t.Errorf("the page does not have the flag %s", name)
			}
		case !there:
			t.Errorf("the page does not have %s", name)
		case strings.HasPrefix(name, "B2B_"), strings.HasPrefix(name, "OTEL_"): // standard names are no older ones
			ours = name
		case row != rowOf[ours]:
			t.Errorf("the page has %s not in the row of %s", name, ours)
		}
	}
	for name := range rowOf {
		if !slices.Contains(names, name) {
			t.Errorf("the page has %s, which is not read", name)
		}
	}
	for _, row := range rows {
		if value := pageText.FindStringSubmatch(row[3]); value != nil {
			pageDefault(t, pageName.FindStringSubmatch(row[1])[1], value[1])
		}
	}
}

// pageDefault checks that setting a variable to its documented default has no effect.
func pageDefault(t *testing.T, name, value string) {
	t.Helper()
	got, problems := load(func(asked string) (string, bool) { return value, asked == name })
	if want := Default(); len(problems) > 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("the page says that %s is %s unless set, which makes %+v (%v), not %+v", name, value, got, problems, want)
	}
}
