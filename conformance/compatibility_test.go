package conformance

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// compatibility has the tables of docs/compatibility.md: by the head of the first column ("Call",
// "Operation", "Event", "What"), and by row, the requirements.
type compatibility map[string]map[string][]string

// parseCompatibility reads the tables that have a second column "Requirements".
func parseCompatibility(text string) (tables compatibility, faults []string) {
	id := regexp.MustCompile(`^[A-Z][A-Z0-9]*-[0-9]{3}$`)
	tables, head := compatibility{}, ""
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		switch {
		case !strings.HasPrefix(line, "|"):
			head = ""
			continue
		case len(cells) == 2 && strings.TrimSpace(cells[1]) == "Requirements":
			head = strings.TrimSpace(cells[0])
			continue
		case head == "" || strings.HasPrefix(line, "|---"):
			continue
		}
		name := strings.Trim(strings.TrimSpace(cells[0]), "`")
		if _, twice := tables[head][name]; twice {
			faults = append(faults, name+" has two rows")
		}
		if len(cells) != 2 || strings.TrimSpace(cells[len(cells)-1]) == "" {
			faults = append(faults, name+" has no requirement")
			continue
		}
		if tables[head] == nil {
			tables[head] = map[string][]string{}
		}
		for short := range strings.FieldsSeq(cells[1]) {
			if !id.MatchString(short) {
				faults = append(faults, fmt.Sprintf("%s: %q is not the id of a requirement", name, short))
			}
			tables[head][name] = append(tables[head][name], "B2B-"+short)
		}
	}
	return tables, faults
}

// TestCompatibilityIsRequired checks that each requirement in the tables is in SPEC.md and is
// named by a check or a test, and that no call, operation or event is missing (B2B-DEV-001).
func TestCompatibilityIsRequired(t *testing.T) {
	t.Parallel()
	read := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	spec := read("../SPEC.md")
	tables, faults := parseCompatibility(read("../docs/compatibility.md"))
	for _, f := range faults {
		t.Error(f)
	}
	reqs, _ := parseSpec(spec)
	named := namedRequirements(t)
	for _, table := range tables {
		for row, ids := range table {
			for _, id := range ids {
				if _, there := reqs[id]; !there {
					t.Errorf("%s: %s is not in SPEC.md", row, id)
				} else if !named[id] {
					t.Errorf("%s: %s is named by no check and no test", row, id)
				}
			}
		}
	}

	var api openAPI
	if err := json.Unmarshal([]byte(read("../api/openapi.json")), &api); err != nil {
		t.Fatal(err)
	}
	for head, all := range map[string][]string{"Call": api.calls(), "Operation": specOperations(spec), "Event": specEvents(spec)} {
		if len(all) < 10 {
			t.Errorf("%s: found only %d", head, len(all))
		}
		for _, fault := range differences(slices.Collect(maps.Keys(tables[head])), all) {
			t.Errorf("%s: %s", head, fault)
		}
	}
}

// differences returns the names without a row, and the rows that match no name.
func differences(table, all []string) (faults []string) {
	for _, name := range all {
		if !slices.Contains(table, name) {
			faults = append(faults, name+" has no row")
		}
	}
	for _, name := range table {
		if !slices.Contains(all, name) {
			faults = append(faults, name+" does not exist")
		}
	}
	return faults
}

// openAPI is the part of api/openapi.json that the tests read.
type openAPI struct {
	Paths map[string]map[string]json.RawMessage
}

// calls returns the operations of the document as `METHOD /path/:parameter`.
func (d openAPI) calls() (all []string) {
	parameter := regexp.MustCompile(`\{([a-z_]+)\}`)
	for path, methods := range d.Paths {
		for method := range methods {
			if slices.Contains([]string{"get", "post", "put", "patch", "delete"}, method) {
				all = append(all, strings.ToUpper(method)+" "+parameter.ReplaceAllString(path, ":$1"))
			}
		}
	}
	return all
}

// specOperations returns the WebSocket operations in SPEC.md.
func specOperations(spec string) []string { return firstColumn(spec, "### Operations") }

// specEvents returns the event types in SPEC.md.
func specEvents(spec string) []string { return firstColumn(spec, "### Events") }

// firstColumn returns the names in backquotes in the first column of the first table of a chapter.
func firstColumn(spec, chapter string) (all []string) {
	name := regexp.MustCompile("`([a-z_]+)`")
	_, text, _ := strings.Cut(spec, "\n"+chapter+"\n")
	_, table, _ := strings.Cut(text, "\n|---|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	for row := range strings.Lines(table) {
		for _, m := range name.FindAllStringSubmatch(strings.SplitN(row, " | ", 2)[0], -1) {
			all = append(all, m[1])
		}
	}
	return all
}

func TestParseCompatibility(t *testing.T) {
	t.Parallel()
	const head = "| Call | Requirements |\n|---|---|\n"
	for name, c := range map[string]struct {
		text   string
		faults int
	}{
		"good":              {head + "| `GET /x` | ORG-001 ORG-002 |\n| `GET /y` | ORG-001 |", 0},
		"another table":     {"| What | Where |\n|---|---|\n| words | more words |", 0},
		"prose between":     {head + "\nwords\n\n| a | b |", 0},
		"no requirement":    {head + "| `GET /x` | |", 1},
		"not a requirement": {head + "| `GET /x` | ORG-1 |", 1},
		"two rows":          {head + "| `GET /x` | ORG-001 |\n| `GET /x` | ORG-002 |", 1},
	} {
		if _, faults := parseCompatibility(c.text); len(faults) != c.faults {
			t.Errorf("%s: %v", name, faults)
		}
	}
	tables, _ := parseCompatibility(head + "| `GET /x` | ORG-001 ORG-002 |")
	if got := tables["Call"]["GET /x"]; !slices.Equal(got, []string{"B2B-ORG-001", "B2B-ORG-002"}) {
		t.Errorf("requirements %v", got)
	}
	if faults := differences([]string{"a", "c"}, []string{"a", "b"}); len(faults) != 2 {
		t.Errorf("want one missing and one extra row: %v", faults)
	}
}
