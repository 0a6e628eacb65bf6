package table

import (
	"fmt"
	"io"
	"math"
)

const (
	// bandErrors is how many standard errors of the difference count as noise.
	bandErrors = 3
	// bandLeast is the part of a figure that counts as noise even when the rounds of each run agree:
	// two runs differ by more than the rounds of one, such as by where the kernel places processes.
	bandLeast = 0.05
)

// Change is the difference of a row between two runs, in the ratio to the floor.
type Change struct {
	Name       string
	Was, Is    float64
	Noise      float64 // a smaller difference is not significant
	Difference float64 // of the ratios; positive is better
}

// Worse reports whether the row got worse by more than the noise.
func (c Change) Worse() bool { return c.Difference < -c.Noise }

// Better reports whether the row got better by more than the noise.
func (c Change) Better() bool { return c.Difference > c.Noise }

// Compare returns the changes of the rows that both runs have.
func Compare(old, rows []Row) (changes []Change) {
	for _, r := range rows {
		for _, before := range old {
			if before.Name == r.Name {
				changes = append(changes, compare(before, r))
			}
		}
	}
	return changes
}

func compare(old, row Row) Change {
	was, is := old.Ratios(), row.Ratios()
	c := Change{Name: row.Name, Was: Median(was), Is: Median(is)}
	c.Noise = max(bandErrors*math.Hypot(Error(was), Error(is)), bandLeast*c.Was)
	c.Difference = c.Is - c.Was
	if row.Least {
		c.Difference = -c.Difference
	}
	return c
}

// WriteChanges prints the changes and reports whether no row got worse.
func WriteChanges(out io.Writer, changes []Change) (same bool) {
	same = true
	for _, c := range changes {
		verdict := "same  "
		switch {
		case c.Worse():
			verdict, same = "WORSE ", false
		case c.Better():
			verdict = "better"
		}
		fmt.Fprintf(out, "%s %-44s %.3f → %.3f of floor (noise %.3f)\n", verdict, c.Name, c.Was, c.Is, c.Noise)
	}
	return same
}
