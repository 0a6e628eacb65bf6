package importer_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// recorded is what the old server answered (http-answers.json).
type recorded struct {
	As, Method, Path string
	Status           int
	ETag             string
	Body             any
}

// Every request that was recorded of the old server is answered the same, but for what
// this protocol does otherwise.
// It proves B2B-IMP-002.
func TestAnswersAreThoseOfTheOldServer(t *testing.T) {
	t.Parallel()
	s := samples(t)[0]
	for _, to := range targets(t) {
		t.Run(to.name, func(t *testing.T) {
			importInto(t, s.from, s.dir, to)
			site := serve(t, to, &s.expected)
			var all []recorded
			read(t, filepath.Join(s.dir, "http-answers.json"), &all)
			slices.SortStableFunc(all, func(a, b recorded) int { // logins leave audit entries
				return strings.Compare(fmt.Sprint(strings.Contains(a.As, "admin")), fmt.Sprint(strings.Contains(b.As, "admin")))
			})
			for _, want := range all {
				t.Run(want.As+" "+want.Path, func(t *testing.T) {
					site.TB = t
					got := site.as(want.As, want.Method, want.Path, nil)
					c := comparison{target: to.name, status: want.Status}
					c.compare("status", number(want.Status), number(got.Status))
					if want.ETag != "" {
						c.compare("etag", want.ETag, got.ETag)
					}
					c.member = site.isMember(want.As)
					body := want.Body
					for _, a := range allowances {
						if a.path.MatchString(want.Path) {
							body = a.want(&c, body)
						}
					}
					c.compare("", body, got.Body)
					for _, d := range c.differences {
						t.Error(d)
					}
				})
			}
		})
	}
}

func number(n int) json.Number { return json.Number(fmt.Sprint(n)) }

// comparison collects where an answer differs from the recorded one. Members that the
// old server did not know are welcome (SPEC, "Shapes").
type comparison struct {
	target      string
	status      int  // that is wanted
	member      bool // asked by a bot that is no admin
	differences []string
}

func (c *comparison) compare(at string, want, got any) {
	if moving.MatchString(at) {
		return
	}
	switch want := want.(type) {
	case map[string]any:
		if got, ok := got.(map[string]any); ok {
			for _, name := range slices.Sorted(maps.Keys(want)) {
				value, there := got[name]
				if !there {
					value = missing{}
				}
				c.compare(at+"."+name, want[name], value)
			}
			return
		}
	case []any:
		if got, ok := got.([]any); ok {
			for i := range max(len(want), len(got)) {
				var w, g any = missing{}, missing{}
				if i < len(want) {
					w = want[i]
				}
				if i < len(got) {
					g = got[i]
				}
				c.compare(fmt.Sprintf("%s[%d]", at, i), w, g)
			}
			return
		}
	case json.Number:
		if got, ok := got.(json.Number); ok {
			a, errA := want.Float64()
			b, errB := got.Float64()
			if errA == nil && errB == nil && a == b {
				return
			}
		}
	case anyText:
		if got, ok := got.(string); ok && got != "" {
			return
		}
	default:
		if want == got {
			return
		}
	}
	c.differences = append(c.differences, fmt.Sprintf("%s: want %s, got %s", at, brief(want), brief(got)))
}

// missing stands for a member or element that is not there.
type missing struct{}

func brief(v any) string {
	if v == (missing{}) {
		return "nothing"
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	if len(text) > 300 {
		return string(text[:300]) + "…"
	}
	return string(text)
}

// isMember reports whether somebody is a bot that is no admin.
func (s *site) isMember(who string) bool {
	for _, b := range s.expected.Credentials.Bots {
		if "bot:"+b.Org+"/"+b.Name == who {
			return b.Role != "admin"
		}
	}
	return false
}
