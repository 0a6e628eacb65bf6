package thread

import "testing"

func TestTurnLimit(t *testing.T) {
	t.Parallel()
	n := func(n int64) *int64 { return &n }
	for _, c := range []struct {
		name     string
		own, org *int64
		limit    int64
		limited  bool
	}{
		{"none", nil, nil, 0, false},
		{"of the org", nil, n(20), 20, true},
		{"narrower", n(5), n(20), 5, true},
		{"wider", n(50), n(20), 50, true},
		{"its own alone", n(5), nil, 5, true},
		{"switched off", n(0), n(20), 0, false},
		{"switched off alone", n(0), nil, 0, false},
	} {
		if limit, limited := TurnLimit(c.own, c.org); limit != c.limit || limited != c.limited {
			t.Errorf("%s: %d, %v; want %d, %v", c.name, limit, limited, c.limit, c.limited)
		}
	}
}
