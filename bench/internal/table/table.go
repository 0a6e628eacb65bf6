// Package table holds the results of a benchmark as rows, each measured in several rounds beside a
// floor: a minimal program that does the same work on the same machine in the same minutes.
//
// A row is judged by the ratio of its rounds to those of the floor, because a ratio depends on the
// machine less than a rate does. [Results] are written to a file, and [Compare] reports which rows
// got worse since an older file by more than the noise of both.
package table

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Row is one load or one size. Ours and Floor have a figure for each round, in the same order.
type Row struct {
	Name  string    `json:"name"`
	Unit  string    `json:"unit"`
	Least bool      `json:"least,omitempty"` // a smaller figure is better, as of a size
	Ours  []float64 `json:"ours"`
	Floor []float64 `json:"floor"`
}

// Ratios returns our figure relative to the floor's, for each round.
func (r Row) Ratios() []float64 {
	ratios := make([]float64, 0, len(r.Ours))
	for i, ours := range r.Ours {
		if i < len(r.Floor) && r.Floor[i] > 0 {
			ratios = append(ratios, ours/r.Floor[i])
		}
	}
	return ratios
}

// check reports an error for a row without a figure for each round.
func (r Row) check() error {
	if len(r.Ours) == 0 || len(r.Ratios()) != len(r.Ours) || len(r.Floor) != len(r.Ours) {
		return fmt.Errorf("row %q has %d rounds and %d of its floor", r.Name, len(r.Ours), len(r.Floor))
	}
	return nil
}

// Missed returns the targets that the rows do not reach, as texts.
func Missed(rows []Row) (missed []string) {
	speed := Speed(rows)
	for _, r := range rows {
		g := Goals[r.Name]
		for _, t := range g.Targets {
			if got := t.figure(r, g.Reference, speed); !t.reached(got) {
				missed = append(missed, fmt.Sprintf("%s: %s, target %s", r.Name, t.text(got), t))
			}
		}
	}
	return missed
}

// Write prints the rows as a Markdown table whose columns are also aligned: medians, the ratio to
// the floor with its noise, the targets, and the published figure of HXA-Connect. How many times
// that figure ours is takes the speed of this machine into account (see [Speed]).
func Write(out io.Writer, rows []Row) error {
	speed := Speed(rows)
	w := tabwriter.NewWriter(out, 0, 0, 1, ' ', tabwriter.Debug|tabwriter.DiscardEmptyColumns)
	lines := [][]string{{"load", "ours", "floor", "of floor", "target", "HXA-Connect 1.7.2", "of HXA", "rounds"}}
	for _, r := range rows {
		g := Goals[r.Name]
		ratios := r.Ratios()
		times := "–"
		if g.Reference.High > 0 {
			times = fmt.Sprintf("%.1f ×", g.Reference.times(r, speed))
		}
		lines = append(lines, []string{
			r.Name, figure(Median(r.Ours), r.Unit), figure(Median(r.Floor), r.Unit),
			fmt.Sprintf("%.2f ± %.2f", Median(ratios), Spread(ratios)), g.targets(), g.Reference.String(), times, fmt.Sprint(len(r.Ours)),
		})
	}
	for i, line := range lines {
		if _, err := fmt.Fprintln(w, "| "+strings.Join(line, "\t ")+"\t"); err != nil {
			return err
		}
		if i == 0 {
			fmt.Fprintln(w, "|"+strings.Repeat("---\t", len(line)))
		}
	}
	return w.Flush()
}

// figure formats a value with three digits that count.
func figure(v float64, unit string) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f %s", v, unit)
	case v >= 10:
		return fmt.Sprintf("%.1f %s", v, unit)
	}
	return fmt.Sprintf("%.2f %s", v, unit)
}

// Put adds a row, in place of one of the same name.
func Put(rows []Row, r Row) []Row {
	if i := slices.IndexFunc(rows, func(old Row) bool { return old.Name == r.Name }); i >= 0 {
		rows[i] = r
		return rows
	}
	return append(rows, r)
}
