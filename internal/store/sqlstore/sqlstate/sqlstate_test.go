package sqlstate

import (
	"bufio"
	_ "embed"
	"strings"
	"testing"
)

// all are the codes of PostgreSQL 15 and those that came with 17, each with its name.
//
//go:embed testdata/codes.txt
var all string

// want is what every code means that is not a fault: passing, full, again, discard, all.
var want = map[string]string{
	"0A000": "ad",
	"08000": "pd", "08003": "pd", "08006": "pd", "08001": "pd", "08004": "pd", "08007": "pd", "08P01": "pd",
	"25006": "padA", "25P03": "pad", "25P04": "pad",
	"26000": "padA", "42P05": "padA",
	"28000": "pd", "28P01": "pd",
	"40001": "pa", "40003": "pd", "40P01": "pa",
	"53000": "p", "53100": "pf", "53200": "p", "53300": "p", "53400": "p",
	"55006": "p", "55P03": "p",
	"57000": "p", "57014": "p", "57P01": "pad", "57P02": "pad", "57P03": "pad", "57P04": "pad", "57P05": "pad",
	"58000": "pd", "58030": "pd", "58P01": "pd", "58P02": "pd",
	"72000": "pa",
}

func (m Meaning) letters() string {
	var b strings.Builder
	for _, f := range []struct {
		is     bool
		letter string
	}{{m.Passing, "p"}, {m.Full, "f"}, {m.Again, "a"}, {m.Discard, "d"}, {m.All, "A"}} {
		if f.is {
			b.WriteString(f.letter)
		}
	}
	return b.String()
}

// TestEveryCode compares the table with every code that PostgreSQL has.
func TestEveryCode(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for lines := bufio.NewScanner(strings.NewReader(all)); lines.Scan(); {
		code, name, _ := strings.Cut(lines.Text(), " ")
		seen[code] = true
		if got := Of(code).letters(); got != want[code] {
			t.Errorf("%s %s means %q, want %q", code, name, got, want[code])
		}
	}
	if len(seen) < 230 {
		t.Errorf("only %d codes were looked at", len(seen))
	}
	for code := range want {
		if !seen[code] {
			t.Errorf("%s is no code of PostgreSQL", code)
		}
	}
	for _, code := range []string{"", "5", "57", "not a code"} {
		if got := Of(code); got != (Meaning{}) {
			t.Errorf("%q means %+v", code, got)
		}
	}
}
