package conformance

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Outcome is the result for a requirement.
type Outcome string

const (
	Passed         Outcome = "passed"
	Failed         Outcome = "failed"
	KnownFailure   Outcome = "known_failure"   // failed, as expected
	UnexpectedPass Outcome = "unexpected_pass" // listed as a known failure, but passed; the run fails
)

// Report is the result of a run. `b2b conformance --json` prints it as JSON.
type Report struct {
	URL          string              `json:"url"`
	StartedAt    int64               `json:"started_at"`  // Unix milliseconds
	DurationMS   int64               `json:"duration_ms"` // wall time of all checks
	Passed       int                 `json:"passed"`      // requirements passed, known failures included
	Failed       int                 `json:"failed"`      // requirements failed, unexpected passes included
	Profiles     []ProfileResult     `json:"profiles"`
	Requirements []RequirementResult `json:"requirements"`
	Checks       []CheckResult       `json:"checks"`
}

// ProfileResult is the result for a profile.
type ProfileResult struct {
	Name   string `json:"name"`
	Held   bool   `json:"held"`   // the server is held to it; otherwise nothing of it was checked
	Passed int    `json:"passed"` // requirements, as in Report
	Failed int    `json:"failed"`
}

// RequirementResult is the result for one requirement. It passes if all its checks pass.
type RequirementResult struct {
	ID      string   `json:"id"`
	Outcome Outcome  `json:"outcome"`
	Checks  []string `json:"checks"`            // names of the checks that test it
	Reasons []string `json:"reasons,omitempty"` // the failures of these checks
}

// CheckResult is the result of one check.
type CheckResult struct {
	Name         string   `json:"name"`
	Requirements []string `json:"requirements"`
	Failures     []string `json:"failures,omitempty"`
	DurationMS   int64    `json:"duration_ms"`
}

// OK reports whether the server passed.
func (r Report) OK() bool { return r.Failed == 0 }

func newReport(url string, checks []CheckResult, known []string) Report {
	rep := Report{URL: url, Checks: checks}
	byID := map[string]*RequirementResult{}
	for _, c := range checks {
		for _, id := range c.Requirements {
			q := byID[id]
			if q == nil {
				q = &RequirementResult{ID: id}
				byID[id] = q
			}
			q.Checks = append(q.Checks, c.Name)
			for _, f := range c.Failures {
				q.Reasons = append(q.Reasons, c.Name+": "+f)
			}
		}
	}
	for id, q := range byID {
		expected := slices.Contains(known, id)
		switch failed := len(q.Reasons) > 0; {
		case failed && expected:
			q.Outcome = KnownFailure
			rep.Passed++
		case failed:
			q.Outcome = Failed
			rep.Failed++
		case expected:
			q.Outcome = UnexpectedPass
			q.Reasons = []string{"listed as a known failure, but it passes: remove it from the list"}
			rep.Failed++
		default:
			q.Outcome = Passed
			rep.Passed++
		}
	}
	for _, id := range slices.SortedFunc(maps.Keys(byID), compareIDs) {
		rep.Requirements = append(rep.Requirements, *byID[id])
	}
	return rep
}

// byProfile returns the results of each profile, and of those that the server has and the suite does
// not know.
func (r Report) byProfile(held []string) []ProfileResult {
	names := profileNames()
	for _, name := range held {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	results := make([]ProfileResult, len(names))
	for i, name := range names {
		results[i] = ProfileResult{Name: name, Held: slices.Contains(held, name)}
		for _, q := range r.Requirements {
			switch {
			case profileOf(q.ID) != name:
			case q.Outcome == Failed || q.Outcome == UnexpectedPass:
				results[i].Failed++
			default:
				results[i].Passed++
			}
		}
	}
	return results
}

// compareIDs orders ids by the sections of SPEC.md, then by number.
func compareIDs(a, b string) int {
	return cmp.Or(cmp.Compare(sectionRank(a), sectionRank(b)), cmp.Compare(a, b))
}

// sectionOf returns the section of an id: ORG for B2B-ORG-003.
func sectionOf(id string) string {
	parts := strings.Split(id, "-")
	if len(parts) != 3 {
		return id
	}
	return parts[1]
}

func sectionRank(id string) int {
	order := []string{"HTTP", "AUTH", "ORG", "REG", "BOT", "TOK", "AUD", "SRV", "IDEM", "CH", "MSG", "INBOX", "WORKSPACE", "THR", "JOIN", "ART", "ORGTHR", "EVT", "WS", "CATCH", "PRES", "ERR", "LIM", "DEV"}
	if i := slices.Index(order, sectionOf(id)); i >= 0 {
		return i
	}
	return len(order)
}

// print writes the results by section, then the reasons of the failures, then the counts.
func (r Report) print(out io.Writer) error {
	w := bufio.NewWriter(out)
	section := ""
	for _, q := range r.Requirements {
		if s := sectionOf(q.ID); s != section {
			section = s
			fmt.Fprintf(w, "%s\n", s)
		}
		mark := map[Outcome]string{Passed: "pass ", Failed: "FAIL ", KnownFailure: "known", UnexpectedPass: "FAIL "}[q.Outcome]
		fmt.Fprintf(w, "  %s  %-15s  %s\n", mark, q.ID, strings.Join(q.Checks, "; "))
	}
	if !r.OK() {
		fmt.Fprintf(w, "\nFailed:\n")
	}
	for _, q := range r.Requirements {
		if q.Outcome != Failed && q.Outcome != UnexpectedPass {
			continue
		}
		fmt.Fprintf(w, "  %s\n", q.ID)
		for _, reason := range q.Reasons {
			fmt.Fprintf(w, "    %s\n", strings.ReplaceAll(reason, "\n", "\n      "))
		}
	}
	fmt.Fprintln(w)
	for _, p := range r.Profiles {
		switch {
		case !p.Held:
			fmt.Fprintf(w, "  %-15s  not checked: the server does not have it\n", p.Name)
		case p.Passed+p.Failed == 0:
			fmt.Fprintf(w, "  %-15s  not checked\n", p.Name)
		default:
			fmt.Fprintf(w, "  %-15s  %d passed, %d failed\n", p.Name, p.Passed, p.Failed)
		}
	}
	fmt.Fprintf(w, "\n%d passed, %d failed\n", r.Passed, r.Failed)
	if err := w.Flush(); err != nil {
		return fmt.Errorf("conformance: writing the report: %w", err)
	}
	return nil
}

// ReadKnownFailures reads a list of requirement ids, one per line. # begins a comment, which should
// give the reason.
func ReadKnownFailures(r io.Reader) ([]string, error) {
	var ids []string
	s := bufio.NewScanner(r)
	for s.Scan() {
		line, _, _ := strings.Cut(s.Text(), "#")
		if id := strings.TrimSpace(line); id != "" {
			ids = append(ids, id)
		}
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("conformance: reading the known failures: %w", err)
	}
	return ids, nil
}
