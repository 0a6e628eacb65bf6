package repository_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"testing"
)

// sleeps starts the comment on a sleep that a test needs; the reason follows.
const sleeps = "// Sleeps: "

// A test that sleeps to let something happen is slow, and fails on a machine that is slower. So a
// test waits for what it observes, or sleeps in a bubble of testing/synctest, where that takes no
// time, or gives the reason.
func TestTestsDoNotSleep(t *testing.T) {
	t.Parallel()
	found := 0
	for file, source := range goTests(t) {
		found++
		for _, line := range asleep(t, source) {
			t.Errorf("%s:%d sleeps: wait for what the test observes (package waittest polls), use a bubble of testing/synctest, or add a comment %q with the reason",
				file, line, sleeps)
		}
	}
	if found == 0 {
		t.Error("no test was found")
	}
}

// asleep returns the lines of a file that sleep outside a bubble without a reason.
func asleep(t *testing.T, source []byte) (lines []int) {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "", source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	text := bytes.Split(source, []byte("\n"))
	var visit func(n ast.Node) bool
	visit = func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CommClause: // a case of a select is not a sleep
			for _, statement := range n.Body {
				ast.Inspect(statement, visit)
			}
			return false
		case *ast.CallExpr:
			if isCall(n, "synctest", "Test") {
				return false
			}
			if !isCall(n, "time", "Sleep") {
				return true
			}
		case *ast.ExprStmt: // <-time.After(d)
			receive, ok := n.X.(*ast.UnaryExpr)
			if !ok || receive.Op != token.ARROW || !isCall(receive.X, "time", "After") {
				return true
			}
		default:
			return true
		}
		line := set.Position(n.Pos()).Line
		if !bytes.Contains(text[line-1], []byte(sleeps)) {
			lines = append(lines, line)
		}
		return true
	}
	ast.Inspect(file, visit)
	return lines
}

// isCall reports whether n calls this function of this package.
func isCall(n ast.Node, of, name string) bool {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return false
	}
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || f.Sel.Name != name {
		return false
	}
	x, ok := f.X.(*ast.Ident)
	return ok && x.Name == of
}

func TestSleepIsFound(t *testing.T) {
	t.Parallel()
	got := asleep(t, []byte(`package x

func TestSleeps(t *testing.T) {
	time.Sleep(time.Second)
	for ok() { <-time.After(time.Second) }
	for ; !ok(); time.Sleep(time.Second) {
	}
	go func() { time.Sleep(1) }()
}

func TestWaits(t *testing.T) {
	time.Sleep(time.Second) // Sleeps: it is a slow client.
	select {
	case <-done:
	case <-time.After(time.Second):
		time.Sleep(1)
	}
	over := <-time.After(time.Second)
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Hour)
		<-time.After(time.Hour)
	})
}
`))
	if want := []int{4, 5, 6, 8, 16}; !slices.Equal(got, want) {
		t.Errorf("lines %v sleep, want %v", got, want)
	}
}
