package repository_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// notParallel starts the comment in a test that cannot run beside others; the reason follows.
const notParallel = "// Not parallel: "

// Tests run beside each other, so that those that wait cost no time: a test begins with
// t.Parallel(), or sets something of the process (t.Setenv, t.Chdir), or says why it cannot.
func TestTestsAreParallel(t *testing.T) {
	t.Parallel()
	found := 0
	for file, source := range goTests(t) {
		tests, serial := parallelism(t, source)
		found += tests
		for _, name := range serial {
			t.Errorf("%s: %s does not begin with t.Parallel(): add it, or a comment %q with the reason", file, name, notParallel)
		}
	}
	if found == 0 {
		t.Error("no test was found")
	}
}

// parallelism returns the number of the tests of a file, and the names of those that run alone
// without a reason.
func parallelism(t *testing.T, source []byte) (tests int, serial []string) {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "", source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Recv != nil || f.Name.Name == "TestMain" || !strings.HasPrefix(f.Name.Name, "Test") {
			continue
		}
		tests++
		begin, end := set.Position(f.Pos()).Offset, set.Position(f.End()).Offset
		if len(f.Body.List) > 0 && calls(f.Body.List[0], "Parallel") || calls(f.Body, "Setenv", "Chdir") ||
			bytes.Contains(source[begin:end], []byte("\t"+notParallel)) {
			continue
		}
		serial = append(serial, f.Name.Name)
	}
	return tests, serial
}

// calls reports whether n contains a call of one of these methods of t, outside functions within.
func calls(n ast.Node, methods ...string) (found bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if method, ok := call.Fun.(*ast.SelectorExpr); ok {
				of, ok := method.X.(*ast.Ident)
				found = found || ok && of.Name == "t" && slices.Contains(methods, method.Sel.Name)
			}
		}
		_, within := n.(*ast.FuncLit)
		return !within
	})
	return found
}

func TestParallelismIsFound(t *testing.T) {
	t.Parallel()
	tests, serial := parallelism(t, []byte(`package x

func TestParallel(t *testing.T) {
	t.Parallel()
}

func TestSets(t *testing.T) {
	x := 1
	t.Setenv("A", "b")
}

func TestReason(t *testing.T) {
	// Not parallel: it counts allocations.
	x()
}

func TestSubtests(t *testing.T) {
	t.Run("a", func(t *testing.T) { t.Parallel() })
}

func TestLate(t *testing.T) {
	x()
	t.Parallel()
}

func TestNothing(t *testing.T) {}

func TestMain(m *testing.M) {}
`))
	if want := []string{"TestSubtests", "TestLate", "TestNothing"}; tests != 6 || !slices.Equal(serial, want) {
		t.Errorf("of %d tests %v have no reason, want %v of 6", tests, serial, want)
	}
}
