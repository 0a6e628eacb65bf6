package conformance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// trace is what TRACE.md says of one place of the contract: for a table the number of its rows, for a text 0.
type trace struct {
	rows  int
	ids   []string
	mute  bool // something in it has a dash instead of requirements
	cells string
}

// parseTrace reads the table of TRACE.md by its places, such as A3.2 and A3.2/1.
func parseTrace(text string) (places map[string]trace, faults []string) {
	line := regexp.MustCompile(`(?m)^\| ([AB][0-9.]+(?:/[0-9]+)?) \| (.+) \|$`)
	id := regexp.MustCompile(`^[A-Z]+-[0-9]{3}$`)
	rows := regexp.MustCompile(`^([0-9]+)(?:-([0-9]+))? (.+)$`)
	places = map[string]trace{}
	for _, m := range line.FindAllStringSubmatch(text, -1) {
		place, tr := m[1], trace{cells: m[2]}
		fault := func(format string, args ...any) {
			faults = append(faults, place+": "+fmt.Sprintf(format, args...))
		}
		if _, twice := places[place]; twice {
			fault("stands twice")
		}
		for group := range strings.SplitSeq(m[2], " · ") {
			what := group
			if strings.Contains(place, "/") {
				g := rows.FindStringSubmatch(group)
				if g == nil {
					fault("%q is not rows and requirements", group)
					continue
				}
				first, _ := strconv.Atoi(g[1]) // digits alone
				last := first
				if g[2] != "" {
					last, _ = strconv.Atoi(g[2])
				}
				if first != tr.rows+1 || last < first {
					fault("row %d follows row %d", first, tr.rows)
				}
				tr.rows, what = last, g[3]
			}
			if strings.HasPrefix(what, "– ") {
				tr.mute = true
				continue
			}
			for name := range strings.FieldsSeq(what) {
				if !id.MatchString(name) {
					fault("%q is no requirement", name)
				}
				tr.ids = append(tr.ids, "B2B-"+name)
			}
		}
		places[place] = tr
	}
	return places, faults
}

// contractPlaces are the places of a document of the contract: its tables with their number of rows, the sections that have text with 0.
func contractPlaces(letter, text string) map[string]int {
	numbered := regexp.MustCompile(`^#{2,3} ([0-9]+(?:\.[0-9]+)?)\.? `)
	titled := regexp.MustCompile(`^## [^0-9]`)
	rule := regexp.MustCompile(`^\|[-| :]+$`)
	places, section, table, inTable, inCode := map[string]int{}, "0", 0, false, false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		row := strings.HasPrefix(line, "|") && !inCode
		switch m := numbered.FindStringSubmatch(line); {
		case strings.HasPrefix(line, "```"):
			inCode = !inCode
		case inCode:
		case m != nil:
			section, table = m[1], 0
		case titled.MatchString(line):
			section, table = "", 0
		case strings.HasPrefix(line, "#"), line == "", line == "---":
		case row && !inTable:
			table++
			places[fmt.Sprintf("%s%s/%d", letter, section, table)] = 0
		case row && rule.MatchString(line):
		case row:
			places[fmt.Sprintf("%s%s/%d", letter, section, table)]++
		case section != "" && section != "0":
			// Sections of one example each are traced as their chapter.
			chapter, _, _ := strings.Cut(section, ".")
			if letter == "A" && chapter == "27" || letter == "B" && chapter == "23" {
				places[letter+chapter] = 0
			} else {
				places[letter+section] = 0
			}
		}
		inTable = row
	}
	return places
}

// untraced are the places that the contract has and the trace has not, has otherwise, or has in vain.
func untraced(places map[string]trace, contract map[string]int) []string {
	var faults []string
	for place, rows := range contract {
		if tr, there := places[place]; !there {
			faults = append(faults, place+" of the contract is not traced")
		} else if tr.rows != rows {
			faults = append(faults, fmt.Sprintf("%s has %d rows, %d are traced", place, rows, tr.rows))
		}
	}
	for place := range places {
		if _, there := contract[place]; !there {
			faults = append(faults, place+" is no place of the contract")
		}
	}
	return faults
}

// TestContractIsTraced: every row of the contract's tables and every text has its requirements, and each of these is checked.
func TestContractIsTraced(t *testing.T) {
	text, err := os.ReadFile("TRACE.md")
	if err != nil {
		t.Fatal(err)
	}
	spec, err := os.ReadFile("../SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	places, faults := parseTrace(string(text))
	for _, f := range faults {
		t.Error(f)
	}
	reqs, _ := parseSpec(string(spec))
	named := namedRequirements(t)
	for place, tr := range places {
		for _, id := range tr.ids {
			if _, there := reqs[id]; !there {
				t.Errorf("%s: %s is not in SPEC.md", place, id)
			} else if !named[id] {
				t.Errorf("%s: %s is named by no check and no test", place, id)
			}
		}
		if len(tr.ids) == 0 && !tr.mute {
			t.Errorf("%s has no requirement: %s", place, tr.cells)
		}
	}
	if len(places) < 150 {
		t.Errorf("only %d places are traced", len(places))
	}
}

// TestTraceIsWhole holds the trace against the contract itself, which is no part of this repository: it lies beside it where the
// project is built. Elsewhere there is nothing to hold it against, and the trace stands as it was built.
func TestTraceIsWhole(t *testing.T) {
	text, err := os.ReadFile("TRACE.md")
	if err != nil {
		t.Fatal(err)
	}
	places, _ := parseTrace(string(text))
	contract := map[string]int{}
	for letter, name := range map[string]string{"A": "http-core.md", "B": "collaboration.md"} {
		document, err := os.ReadFile("../../shared/protocol/" + name)
		if errors.Is(err, fs.ErrNotExist) && os.Getenv("CI") != "true" {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		for place, rows := range contractPlaces(letter, string(document)) {
			contract[place] = rows
		}
	}
	for _, f := range untraced(places, contract) {
		t.Error(f)
	}
}

func TestParseTrace(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		faults int
	}{
		"good":             {"| A1.2/1 | 1 ORG-001 ORG-002 · 2-4 – words · 5 HTTP-001 |\n| B3 | MSG-001 |", 0},
		"a row is missing": {"| A1/1 | 1 ORG-001 · 3 ORG-001 |", 1},
		"rows twice":       {"| A1/1 | 1-3 ORG-001 · 3 ORG-001 |", 1},
		"not from 1":       {"| A1/1 | 2 ORG-001 |", 1},
		"no rows":          {"| A1/1 | ORG-001 |", 1},
		"no requirement":   {"| A1/1 | 1 ORG |", 1},
		"place twice":      {"| A1 | ORG-001 |\n| A1 | ORG-001 |", 1},
	} {
		if _, faults := parseTrace(c.text); len(faults) != c.faults {
			t.Errorf("%s: %v", name, faults)
		}
	}
	document := "intro\n\n| Tag |\n|---|\n| x |\n\n## Contents\n\ntext\n\n## 1. One\n\n| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n\n### 1.1 Sub\n\ntext\n```\n| no | table |\n```\n| c |\n|--:|\n| 5 |\n\n### Unnumbered\n\n- item\n\n| d |\n|---|\n"
	got := contractPlaces("B", document)
	if want := map[string]int{"B0/1": 1, "B1/1": 2, "B1.1": 0, "B1.1/1": 1, "B1.1/2": 0}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("places %v, want %v", got, want)
	}
	places, _ := parseTrace("| B0/1 | 1 – words |\n| B1/1 | 1 ORG-001 |\n| B1.1 | ORG-001 |\n| B1.1/1 | 1 ORG-001 |\n| B9 | ORG-001 |")
	if faults := untraced(places, got); len(faults) != 3 { // a row, a table, and a place too many
		t.Errorf("faults %v", faults)
	}
}
