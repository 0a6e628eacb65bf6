package textdiff

import "slices"

// most bounds the work: texts that differ in more lines are written as if all between their common
// beginning and end had changed.
const most = 1000

// compare returns the edits that make the new lines of the old ones.
func compare(a, b []string) []edit {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	kinds := middle(a[head:len(a)-tail], b[head:len(b)-tail])
	edits := make([]edit, 0, head+len(kinds)+tail)
	add := func(kind byte) {
		e := edit{kind: kind}
		if n := len(edits); n > 0 {
			e.old, e.new = edits[n-1].after()
		}
		if kind == '+' {
			e.text = b[e.new]
		} else {
			e.text = a[e.old]
		}
		edits = append(edits, e)
	}
	for range head {
		add(' ')
	}
	for _, kind := range kinds {
		add(kind)
	}
	for range tail {
		add(' ')
	}
	return edits
}

// after returns how many lines of each text are before the next edit.
func (e edit) after() (int, int) {
	switch e.kind {
	case '-':
		return e.old + 1, e.new
	case '+':
		return e.old, e.new + 1
	}
	return e.old + 1, e.new + 1
}

// middle returns the kinds of the edits between two lists of lines: the shortest way of Myers' algorithm
// (An O(ND) Difference Algorithm, 1986), if that has no more than most changes.
func middle(a, b []string) []byte {
	n, m := len(a), len(b)
	limit := min(n+m, most)
	reach := make([]int, 2*limit+3) // by diagonal: how far in a
	at := func(k int) int { return k + limit + 1 }
	var steps [][]int // reach before each round, for the way back
	for d := 0; d <= limit; d++ {
		steps = append(steps, slices.Clone(reach[at(-d-1):at(d+1)+1]))
		for k := -d; k <= d; k += 2 {
			x := 0
			if k == -d || k != d && reach[at(k-1)] < reach[at(k+1)] {
				x = reach[at(k+1)]
			} else {
				x = reach[at(k-1)] + 1
			}
			for x < n && x-k < m && a[x] == b[x-k] {
				x++
			}
			reach[at(k)] = x
			if x >= n && x-k >= m {
				return way(steps, n, m)
			}
		}
	}
	return append(slices.Repeat([]byte{'-'}, n), slices.Repeat([]byte{'+'}, m)...)
}

// way goes back from the end to the beginning.
func way(steps [][]int, x, y int) []byte {
	var kinds []byte
	for d := len(steps) - 1; d >= 0; d-- {
		before := func(k int) int { return steps[d][k+d+1] }
		k := x - y
		down := k == -d || k != d && before(k-1) < before(k+1)
		from := k - 1
		if down {
			from = k + 1
		}
		startX := before(from)
		startY := startX - from
		if d == 0 {
			startX, startY = 0, 0
		}
		for x > startX && y > startY {
			kinds, x, y = append(kinds, ' '), x-1, y-1
		}
		if d == 0 {
			break
		}
		if down {
			kinds, y = append(kinds, '+'), y-1
		} else {
			kinds, x = append(kinds, '-'), x-1
		}
	}
	slices.Reverse(kinds)
	return kinds
}
