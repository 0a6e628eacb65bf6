package conformance

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// requirement is one numbered requirement of SPEC.md.
type requirement struct {
	level string // MUST, SHOULD or MAY
	line  int
}

// parseSpec returns the requirements in a text: lines that begin with an anchor and **B2B-XXX-000**
// (MUST).
func parseSpec(text string) (reqs map[string]requirement, faults []string) {
	anchored := regexp.MustCompile(`^<a id="([a-z0-9-]+)"></a>\*\*(B2B-[A-Z][A-Z0-9]*-[0-9]{3})\*\* \((MUST|SHOULD|MAY)\) \S`)
	mention := regexp.MustCompile(`\*\*B2B-`)
	reqs = map[string]requirement{}
	for i, line := range strings.Split(text, "\n") {
		m := anchored.FindStringSubmatch(line)
		switch {
		case m == nil && mention.MatchString(line):
			faults = append(faults, "the line does not have the form <a id=…></a>**B2B-XXX-000** (MUST) …: "+line)
		case m == nil:
		case m[1] != strings.ToLower(m[2]):
			faults = append(faults, m[2]+": its anchor is "+m[1]+", want the id in lower case")
		case reqs[m[2]].line != 0:
			faults = append(faults, m[2]+": defined twice")
		default:
			reqs[m[2]] = requirement{level: m[3], line: i + 1}
		}
	}
	return reqs, faults
}

// TestSpecAndChecksAgree compares the requirements of SPEC.md with the checks.
func TestSpecAndChecksAgree(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	reqs, faults := parseSpec(string(text))
	for _, f := range faults {
		t.Errorf("SPEC.md: %s", f)
	}
	for _, f := range disagreements(reqs, Checks()) {
		t.Error(f)
	}
}

// ofSDKs reports whether a requirement is one of client libraries, which their own tests check.
func ofSDKs(id string) bool { return strings.HasPrefix(id, "B2B-SDK-") }

// disagreements returns a fault for each MUST of a server without a check, each check of an unknown
// requirement or one of SDKs, and each name that two checks have.
func disagreements(reqs map[string]requirement, checks []Check) []string {
	var faults []string
	proven, names := map[string]bool{}, map[string]bool{}
	for _, c := range checks {
		if names[c.Name] {
			faults = append(faults, "two checks are named "+c.Name)
		}
		names[c.Name] = true
		if len(c.Requirements) == 0 {
			faults = append(faults, "the check "+c.Name+" names no requirement")
		}
		for _, id := range c.Requirements {
			proven[id] = true
			if _, ok := reqs[id]; !ok {
				faults = append(faults, "check "+c.Name+" names "+id+", which SPEC.md does not define")
			}
			if ofSDKs(id) {
				faults = append(faults, "check "+c.Name+" names "+id+", which is a requirement of SDKs")
			}
		}
	}
	for id, q := range reqs {
		if q.level == "MUST" && !proven[id] && !ofSDKs(id) {
			faults = append(faults, id+" is a MUST, but no check names it")
		}
	}
	return faults
}

func TestParseSpecFindsFaults(t *testing.T) {
	t.Parallel()
	good := `<a id="b2b-org-001"></a>**B2B-ORG-001** (MUST) An org has a name.`
	for name, c := range map[string]struct {
		text   string
		faults int
	}{
		"good":         {good, 0},
		"twice":        {good + "\n" + good, 1},
		"no anchor":    {"**B2B-ORG-001** (MUST) x", 1},
		"other anchor": {`<a id="b2b-org-002"></a>**B2B-ORG-001** (MUST) x`, 1},
		"no level":     {`<a id="b2b-org-001"></a>**B2B-ORG-001** x`, 1},
		"prose":        {"See B2B-ORG-001.", 0},
	} {
		if _, faults := parseSpec(c.text); len(faults) != c.faults {
			t.Errorf("%s: %v", name, faults)
		}
	}
}

func TestDisagreements(t *testing.T) {
	t.Parallel()
	reqs, _ := parseSpec(`<a id="b2b-org-001"></a>**B2B-ORG-001** (MUST) a
<a id="b2b-org-002"></a>**B2B-ORG-002** (SHOULD) b
<a id="b2b-sdk-001"></a>**B2B-SDK-001** (MUST) c`)
	one := Check{Requirements: []string{"B2B-ORG-001"}, Name: "one"}
	for name, c := range map[string]struct {
		checks []Check
		faults int
	}{
		"covered":   {[]Check{one}, 0},
		"uncovered": {nil, 1},
		"unknown":   {[]Check{one, {Requirements: []string{"B2B-ORG-009"}, Name: "two"}}, 1},
		"of SDKs":   {[]Check{one, {Requirements: []string{"B2B-SDK-001"}, Name: "two"}}, 1},
		"same name": {[]Check{one, one}, 1},
		"no id":     {[]Check{one, {Name: "two"}}, 1},
	} {
		if faults := disagreements(reqs, c.checks); len(faults) != c.faults {
			t.Errorf("%s: %v", name, faults)
		}
	}
}
