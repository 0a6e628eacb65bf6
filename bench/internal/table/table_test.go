package table_test

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/b2b-protocol/b2b/bench/internal/table"
)

func TestStatistics(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values         []float64
		median, spread float64
	}{
		{[]float64{3}, 3, 0},
		{[]float64{4, 1}, 2.5, 1.5 * 1.4826},
		{[]float64{5, 1, 3}, 3, 2 * 1.4826},
		{[]float64{10, 11, 12, 13, 1000}, 12, 1.4826}, // one round beside other load
		{[]float64{7, 7, 7, 7}, 7, 0},
	} {
		if got := table.Median(c.values); got != c.median {
			t.Errorf("median of %v: %v, want %v", c.values, got, c.median)
		}
		if got := table.Spread(c.values); math.Abs(got-c.spread) > 1e-9 {
			t.Errorf("spread of %v: %v, want %v", c.values, got, c.spread)
		}
	}
	if !math.IsNaN(table.Median(nil)) {
		t.Error("the median of no values is a number")
	}
	few, many := []float64{1, 2, 3}, []float64{1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3}
	if a, b := table.Error(few), table.Error(many); math.Abs(a/b-2) > 1e-9 {
		t.Errorf("the error of four times as many rounds is %v of %v, want half", b, a)
	}
}

// row returns a row of ten rounds with the given ratios to the floor, in turn.
func row(name string, least bool, ratios ...float64) table.Row {
	r := table.Row{Name: name, Unit: "/s", Least: least}
	for i := range 10 {
		floor := 1000 + 100*float64(i)
		r.Floor, r.Ours = append(r.Floor, floor), append(r.Ours, floor*ratios[i%len(ratios)])
	}
	return r
}

// TestCompare: only a difference that exceeds the noise of the rounds, and 5 %, counts.
func TestCompare(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name          string
		old, new      table.Row
		worse, better bool
	}{
		{"the same", row("a", false, 0.5), row("a", false, 0.5), false, false},
		{"a steady row 10 % slower", row("a", false, 0.5), row("a", false, 0.45), true, false},
		{"a steady row 10 % faster", row("a", false, 0.5), row("a", false, 0.55), false, true},
		{"4 % slower, within what two runs differ by", row("a", false, 0.5), row("a", false, 0.48), false, false},
		{"10 % slower, rounds that vary by half", row("a", false, 0.3, 0.5, 0.7), row("a", false, 0.25, 0.45, 0.65), false, false},
		{"half as fast, rounds that vary", row("a", false, 0.4, 0.5, 0.6), row("a", false, 0.2, 0.25, 0.3), true, false},
		{"a size that grows", row("a", true, 2), row("a", true, 2.4), true, false},
		{"a size that shrinks", row("a", true, 2), row("a", true, 1.6), false, true},
	} {
		got := table.Compare([]table.Row{c.old}, []table.Row{c.new})
		if len(got) != 1 {
			t.Fatalf("%s: %d changes, want 1", c.name, len(got))
		}
		if got[0].Worse() != c.worse || got[0].Better() != c.better {
			t.Errorf("%s: %+v: worse %v, better %v", c.name, got[0], got[0].Worse(), got[0].Better())
		}
		var out bytes.Buffer
		if same := table.WriteChanges(&out, got); same == c.worse || strings.Contains(out.String(), "WORSE") != c.worse {
			t.Errorf("%s: printed %q and returned %v", c.name, out.String(), same)
		}
	}
	if got := table.Compare([]table.Row{row("old", false, 1)}, []table.Row{row("new", false, 1)}); len(got) != 0 {
		t.Errorf("rows without a counterpart are compared: %v", got)
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	direct := row(table.Direct, false, 0.9)
	for i := range direct.Floor { // a machine of half the speed of the reference's
		direct.Floor[i], direct.Ours[i] = 2135, 2135*0.9
	}
	idle := row(table.Idle, true, 2)
	var out bytes.Buffer
	if err := table.Write(&out, []table.Row{direct, idle}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 4 || utf8.RuneCountInString(lines[2]) != utf8.RuneCountInString(lines[3]) {
		t.Fatalf("want two rows of one width below the head:\n%s", out.String())
	}
	// 1921 a second here are as many as 3843 there, 11.6 times 330.5.
	for _, want := range []string{table.Direct, "1922 /s", "2135 /s", "0.90 ± 0.00", "≥ 0.85 of floor, ≥ 10 × HXA", "311 to 350 /s", "11.6 ×", " 10 "} {
		if !strings.Contains(lines[2], want) {
			t.Errorf("the row lacks %q: %s", want, lines[2])
		}
	}
	missed := table.Missed([]table.Row{direct, idle})
	if len(missed) != 1 || !strings.HasPrefix(missed[0], table.Idle) {
		t.Errorf("missed %q, want idle memory alone", missed)
	}
}

func TestResultsFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "results.json")
	first := table.Results{Version: "1", Machine: table.Machine{Cores: 2}, Rows: []table.Row{row("a", false, 1), row("b", false, 1)}}
	second := first
	second.Rows = []table.Row{row("b", false, 2), row("c", false, 2)}
	other := second
	other.Version = "2"
	for _, c := range []struct {
		write  table.Results
		names  string
		ratios []float64
	}{
		{first, "ab", []float64{1, 1}},
		{second, "abc", []float64{1, 2, 2}}, // completes the run before
		{other, "bc", []float64{2, 2}},      // of another version: replaces it
	} {
		if err := c.write.WriteFile(path); err != nil {
			t.Fatal(err)
		}
		got, err := table.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		names := ""
		for i, r := range got.Rows {
			names += r.Name
			if i < len(c.ratios) && math.Abs(table.Median(r.Ratios())-c.ratios[i]) > 1e-9 {
				t.Errorf("row %s has the ratio %v, want %v", r.Name, table.Median(r.Ratios()), c.ratios[i])
			}
		}
		if names != c.names {
			t.Errorf("rows %s, want %s", names, c.names)
		}
	}
	for name, text := range map[string]string{
		"not JSON":               `{`,
		"an unknown key":         `{"rowz": []}`,
		"a round without floor":  `{"rows": [{"name": "a", "ours": [1, 2], "floor": [1]}]}`,
		"a floor of nothing":     `{"rows": [{"name": "a", "ours": [1], "floor": [0]}]}`,
		"a row without a figure": `{"rows": [{"name": "a"}]}`,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := table.Read(path); err == nil {
			t.Errorf("%s: no error", name)
		}
		if err := first.WriteFile(path); err == nil {
			t.Errorf("%s: a file that is not of results is overwritten", name)
		}
	}
	if _, err := table.Read(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("a missing file is read")
	}
}
