package promcheck

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

const root = "../.."

func file(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var metricRow = regexp.MustCompile("(?m)^\\| `(b2b_[a-z_]+)` \\| ([a-z]+) \\| (.*?) \\|")

// others are the metrics of the process, of the Go runtime and of Prometheus that are used, with
// their labels besides job and instance.
var others = map[string][]string{
	"up": nil, "process_cpu_seconds_total": nil, "process_resident_memory_bytes": nil, "process_open_fds": nil, "process_max_fds": nil,
	"go_goroutines": nil, "go_memstats_heap_inuse_bytes": nil, "go_gc_duration_seconds": {"quantile"},
}

// metrics returns the labels of each time series by its name.
func metrics(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for name, labels := range others {
		out[name] = append(slices.Clone(labels), "job", "instance")
	}
	rows := metricRow.FindAllStringSubmatch(string(file(t, "docs/operate/monitoring.md")), -1)
	if len(rows) < 30 {
		t.Fatalf("the page has %d metrics", len(rows))
	}
	for _, row := range rows {
		has := []string{"job", "instance"}
		for label := range strings.SplitSeq(row[3], ", ") {
			has = append(has, strings.Trim(label, "`"))
		}
		if row[2] != "histogram" {
			out[row[1]] = has
			continue
		}
		out[row[1]+"_bucket"] = append(slices.Clone(has), "le")
		out[row[1]+"_count"], out[row[1]+"_sum"] = has, has
	}
	return out
}

// check returns what is wrong with an expression.
func check(expr string, known map[string][]string) error {
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		return err
	}
	var faults []error
	parser.Inspect(parsed, func(n parser.Node, path []parser.Node) error {
		switch n := n.(type) {
		case *parser.VectorSelector:
			has, ok := known[n.Name]
			if !ok {
				faults = append(faults, fmt.Errorf("there is no metric %s", n.Name))
				return nil
			}
			for _, m := range n.LabelMatchers {
				if m.Name != labels.MetricName && !slices.Contains(has, m.Name) {
					faults = append(faults, fmt.Errorf("%s has no label %s", n.Name, m.Name))
				}
			}
			for _, outer := range path {
				sum, ok := outer.(*parser.AggregateExpr)
				if !ok || sum.Without {
					continue
				}
				for _, label := range sum.Grouping {
					if !slices.Contains(has, label) {
						faults = append(faults, fmt.Errorf("%s has no label %s to group by", n.Name, label))
					}
				}
			}
			counts := strings.HasSuffix(n.Name, "_total") || strings.HasSuffix(n.Name, "_count") || strings.HasSuffix(n.Name, "_sum") || strings.HasSuffix(n.Name, "_bucket")
			if rated := inRate(path); counts != rated {
				faults = append(faults, fmt.Errorf("%s is a counter: %v, and is in rate() or increase(): %v", n.Name, counts, rated))
			}
		}
		return nil
	})
	return errors.Join(faults...)
}

// inRate reports whether a selector is the argument of rate or increase.
func inRate(path []parser.Node) bool {
	return slices.ContainsFunc(path, func(n parser.Node) bool {
		call, ok := n.(*parser.Call)
		return ok && (call.Func.Name == "rate" || call.Func.Name == "increase")
	})
}

// TestCheck: the check finds what can be wrong.
func TestCheck(t *testing.T) {
	t.Parallel()
	known := metrics(t)
	for expr, fault := range map[string]string{
		`sum by (binding) (rate(b2b_calls_total{outcome="failed"}[5m]))`: "",
		`rate(b2b_calls_total[5m]`:                                       "unclosed",
		`rate(b2b_call_total[5m])`:                                       "no metric b2b_call_total",
		`rate(b2b_calls_total{org="o"}[5m])`:                             "no label org",
		`sum by (code) (rate(b2b_calls_total[5m]))`:                      "no label code to group by",
		`b2b_calls_total > 1`:                                            "is a counter: true",
		`rate(b2b_connections[5m])`:                                      "is a counter: false",
		`rate(b2b_call_duration_seconds[5m])`:                            "no metric b2b_call_duration_seconds",
		`histogram_quantile(0.9, b2b_connections{le="1"})`:               "no label le",
	} {
		err := check(expr, known)
		if (err == nil) != (fault == "") || err != nil && !strings.Contains(err.Error(), fault) {
			t.Errorf("%s: %v, want %q", expr, err, fault)
		}
	}
}

// rules is a file of rules, with the fields that are used.
type rules struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert       string
			Expr        string
			For         model.Duration
			Labels      map[string]string
			Annotations map[string]string
		}
	}
}

func readRules(text []byte) (r rules, err error) {
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&r); err != nil {
		return r, err
	}
	if err := d.Decode(&rules{}); !errors.Is(err, io.EOF) {
		return r, errors.New("there is more than one document")
	}
	return r, nil
}

// functions are those of Prometheus that annotations use.
var functions = template.FuncMap{"humanize": show, "humanizePercentage": show, "humanizeDuration": show}

func show(v any) string { return fmt.Sprint(v) }

var alertRow = regexp.MustCompile("(?m)^\\| `(B2B[A-Za-z]+)` \\| (.+) \\|$")

// TestRules: the alerts can be loaded, name metrics that there are, and have a line each in the page
// for operators.
func TestRules(t *testing.T) {
	t.Parallel()
	known := metrics(t)
	r, err := readRules(file(t, "deploy/prometheus/b2b.rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var names, documented []string
	for _, g := range r.Groups {
		for _, rule := range g.Rules {
			names = append(names, rule.Alert)
			if err := check(rule.Expr, known); err != nil {
				t.Errorf("%s: %v", rule.Alert, err)
			}
			if s := rule.Labels["severity"]; s != "critical" && s != "warning" {
				t.Errorf("%s has the severity %q", rule.Alert, s)
			}
			summary, err := template.New("").Funcs(functions).Parse("{{$labels := .Labels}}{{$value := .Value}}" + rule.Annotations["summary"])
			if err != nil || rule.Annotations["summary"] == "" || !strings.Contains(rule.Annotations["summary"], "instance") {
				t.Errorf("%s: the summary is %q: %v", rule.Alert, rule.Annotations["summary"], err)
				continue
			}
			if err := summary.Execute(io.Discard, map[string]any{"Labels": map[string]string{}, "Value": 0.5}); err != nil {
				t.Errorf("%s: %v", rule.Alert, err)
			}
		}
	}
	for _, row := range alertRow.FindAllStringSubmatch(string(file(t, "docs/operate/monitoring.md")), -1) {
		documented = append(documented, row[1])
	}
	if !slices.Equal(names, documented) {
		t.Errorf("the alerts are\n%q, and those of the page\n%q", names, documented)
	}
	for _, wrong := range []string{"groups: [{name: a, rules: [{alert: A, exprs: x}]}]", "groups: [{name: a, rules: [{alert: A, expr: x, for: 5 minutes}]}]"} {
		if _, err := readRules([]byte(wrong)); err == nil {
			t.Errorf("%s is accepted", wrong)
		}
	}
}

// dashboard has the fields of a dashboard of Grafana that the test reads.
type dashboard struct {
	UID, Title    string
	SchemaVersion int
	Templating    struct {
		List []struct {
			Name, Type string
			Query      any
		}
	}
	Panels []struct {
		ID      int
		Type    string
		Title   string
		GridPos struct{ H, W, X, Y int }
		Targets []struct{ RefID, Expr, LegendFormat string }
	}
}

var (
	variable = regexp.MustCompile(`\$([a-zA-Z_]+)`)
	legend   = regexp.MustCompile(`{{([a-z_]+)}}`)
)

// TestDashboard: the dashboard is one, and each of its expressions can be evaluated.
func TestDashboard(t *testing.T) {
	t.Parallel()
	known := metrics(t)
	var d dashboard
	if err := json.Unmarshal(file(t, "deploy/grafana/b2b.json"), &d); err != nil {
		t.Fatal(err)
	}
	if d.UID == "" || d.Title == "" || d.SchemaVersion < 30 || len(d.Panels) < 20 {
		t.Fatalf("the dashboard %q %q of the schema %d has %d panels", d.UID, d.Title, d.SchemaVersion, len(d.Panels))
	}
	variables := []string{"__rate_interval"}
	for _, v := range d.Templating.List {
		variables = append(variables, v.Name)
	}
	ids, used := map[int]bool{}, map[string]bool{}
	for i, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("two panels have the id %d", p.ID)
		}
		ids[p.ID] = true
		for _, o := range d.Panels[:i] {
			a, b := p.GridPos, o.GridPos
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H || a.X+a.W > 24 {
				t.Errorf("%q lies over %q, or beside the grid", p.Title, o.Title)
			}
		}
		if (p.Type == "row") != (len(p.Targets) == 0) {
			t.Errorf("%q is a %s with %d expressions", p.Title, p.Type, len(p.Targets))
		}
		for _, target := range p.Targets {
			for _, v := range variable.FindAllStringSubmatch(target.Expr, -1) {
				if used[v[1]] = true; !slices.Contains(variables, v[1]) {
					t.Errorf("%q uses the variable %s, which there is not", p.Title, v[1])
				}
			}
			expr := strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*", "$job", "b2b").Replace(target.Expr)
			if err := check(expr, known); err != nil {
				t.Errorf("%q: %s: %v", p.Title, expr, err)
			}
			for _, l := range legend.FindAllStringSubmatch(target.LegendFormat, -1) {
				if !strings.Contains(expr, l[1]) && l[1] != "instance" {
					t.Errorf("%q shows the label %s, which %s does not have", p.Title, l[1], expr)
				}
			}
		}
	}
	for _, v := range []string{"instance", "job", "__rate_interval"} {
		if !used[v] {
			t.Errorf("the variable %s is not used", v)
		}
	}
}

// TestExample: the example of a configuration names the file of rules and the job of the alerts.
func TestExample(t *testing.T) {
	t.Parallel()
	var c struct {
		RuleFiles     []string `yaml:"rule_files"`
		ScrapeConfigs []struct {
			JobName string `yaml:"job_name"`
		} `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal(file(t, "deploy/prometheus/prometheus.yml"), &c); err != nil {
		t.Fatal(err)
	}
	if len(c.RuleFiles) != 1 || c.RuleFiles[0] != "b2b.rules.yml" || len(c.ScrapeConfigs) != 1 || c.ScrapeConfigs[0].JobName != "b2b" {
		t.Errorf("the example is %+v", c)
	}
}
