package subscription

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/internal/call"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

const tableHead = "| Code | Reason | When | A stream ends with | A webhook |\n|---|---|---|---|---|\n"

// specTable returns the table of B2B-WS-004 in SPEC.md. Reasons with the same code are together.
func specTable(rows []end) string {
	var b strings.Builder
	b.WriteString(tableHead)
	for _, e := range rows {
		if e.when == "" {
			continue
		}
		reason := e.shown
		if e.text != "" {
			reason = "`" + e.text + "`"
		}
		var errors []string
		for _, code := range e.stream {
			errors = append(errors, "`"+call.CodeText(code)+"`")
		}
		fmt.Fprintf(&b, "| %d |", e.code)
		for _, cell := range []string{reason, e.when, strings.Join(errors, ", "), webhookTexts[e.webhook]} {
			if cell != "" {
				b.WriteString(" " + cell)
			}
			b.WriteString(" |")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// difference returns what is wrong with the table in the text of SPEC.md; empty: nothing.
func difference(spec string, rows []end) string {
	_, rest, found := strings.Cut(spec, tableHead)
	got, _, _ := strings.Cut(rest, "\n\n")
	want := strings.TrimSuffix(strings.TrimPrefix(specTable(rows), tableHead), "\n")
	switch {
	case !found || strings.Contains(rest, tableHead):
		return "SPEC.md has not one table with the head\n" + tableHead
	case got != want:
		return "the table of B2B-WS-004 in SPEC.md is not that of this package, which is\n\n" + specTable(rows)
	}
	return ""
}

func readSpec(t *testing.T) string {
	t.Helper()
	spec, err := os.ReadFile("../../SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(spec)
}

// TestSpecTable: SPEC.md has the table of this package.
func TestSpecTable(t *testing.T) {
	t.Parallel()
	if d := difference(readSpec(t), ends[:]); d != "" {
		t.Error(d)
	}
}

// TestSpecTableDifference: every change of a row of the table, on one side alone, is a difference.
func TestSpecTableDifference(t *testing.T) {
	t.Parallel()
	spec := readSpec(t)
	for r := Reason(1); r < reasons; r++ {
		if ends[r].when == "" {
			continue
		}
		for i, change := range []func(*end){
			func(e *end) { e.code++ },
			func(e *end) { e.text += "x" },
			func(e *end) { e.when += "x" },
			func(e *end) { e.when = "" },
			func(e *end) { e.stream = codes(b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND) },
			func(e *end) { e.webhook = (e.webhook + 1) % Webhook(len(webhookTexts)) },
		} {
			rows := slices.Clone(ends[:])
			change(&rows[r])
			if difference(spec, rows) == "" {
				t.Errorf("change %d of the row %d %q makes no difference", i, ends[r].code, ends[r].text)
			}
		}
	}
	if difference(strings.Replace(spec, tableHead, "", 1), ends[:]) == "" {
		t.Error("a SPEC.md without the table makes no difference")
	}
}

// TestTable: every row has what the bindings need.
func TestTable(t *testing.T) {
	t.Parallel()
	shown := map[string]Reason{}
	for r := Reason(1); r < reasons; r++ {
		e := ends[r]
		switch {
		case e.code < 1001 || e.code > 4999:
			t.Errorf("reason %d has the code %d", r, e.code)
		case len(e.text) > 123: // RFC 6455 limits what a close frame holds
			t.Errorf("the reason %q is too long", e.text)
		case int(e.webhook) >= len(webhookTexts):
			t.Errorf("reason %d has no text for what a webhook does", r)
		}
		key := fmt.Sprint(e.code, e.text)
		if other := shown[key]; other != 0 && e.when != "" {
			t.Errorf("reasons %d and %d are both %s", r, other, key)
		}
		shown[key] = r
	}
}

// TestDocumentedCodes: the documents for users explain every code that a client may have to treat,
// and no other.
func TestDocumentedCodes(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/use/websocket.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## When it closes\n")
	documented := map[int]bool{}
	for line := range strings.Lines(section) {
		first, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " |")
		for _, word := range strings.Split(first, ", ") {
			var code int
			if _, err := fmt.Sscanf(word, "%d", &code); err == nil && strings.HasPrefix(line, "| ") {
				documented[code] = true
			}
		}
	}
	for _, e := range ends[1:] {
		if !documented[e.code] {
			t.Errorf("docs/use/websocket.md does not explain the code %d", e.code)
		}
	}
	for code := range documented {
		if !slices.ContainsFunc(ends[1:], func(e end) bool { return e.code == code }) {
			t.Errorf("docs/use/websocket.md explains the code %d, which no connection is closed with", code)
		}
	}
}
