package repository_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// measures are the functions that return something of the whole process, which tests that run at
// the same time change.
var measures = []string{
	"runtime.ReadMemStats", "runtime.NumGoroutine", "metrics.Read", "testing.AllocsPerRun", "syscall.Getrusage",
}

// A test that measures the memory, the allocations or the goroutines of its process runs alone.
func TestMeasurementsAreAlone(t *testing.T) {
	t.Parallel()
	packages := map[string][][]byte{}
	for file, source := range goTests(t) {
		packages[filepath.Dir(file)] = append(packages[filepath.Dir(file)], source)
	}
	found := 0
	for dir, sources := range packages {
		measuring, parallel := measurements(t, sources)
		found += measuring
		for _, name := range parallel {
			t.Errorf("%s: %s measures the whole process: replace t.Parallel() by a comment %q with this reason", dir, name, notParallel)
		}
	}
	if found == 0 {
		t.Error("no test that measures its process was found")
	}
}

// measurements returns the number of the tests of a package that measure their process, by
// themselves or by functions of its tests that they call, and the names of those that run beside
// others. A function is known by its name alone, so a method counts for all of its name.
func measurements(t *testing.T, sources [][]byte) (measuring int, parallel []string) {
	t.Helper()
	called := map[string]map[string]bool{}
	tests := map[string]bool{} // to whether it is parallel
	for _, source := range sources {
		file, err := parser.ParseFile(token.NewFileSet(), "", source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			name := f.Name.Name
			if called[name] == nil {
				called[name] = map[string]bool{}
			}
			maps.Copy(called[name], callees(f.Body))
			if f.Recv == nil && strings.HasPrefix(name, "Test") && name != "TestMain" {
				tests[name] = len(f.Body.List) > 0 && calls(f.Body.List[0], "Parallel")
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		if reaches(called, name, map[string]bool{}) {
			measuring++
			if tests[name] {
				parallel = append(parallel, name)
			}
		}
	}
	return measuring, parallel
}

// callees returns the names of the functions that n calls: "f" for f and x.f, and "x.f" too.
func callees(n ast.Node) map[string]bool {
	names := map[string]bool{}
	ast.Inspect(n, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		switch f := call.Fun.(type) {
		case *ast.Ident:
			names[f.Name] = true
		case *ast.SelectorExpr:
			names[f.Sel.Name] = true
			if of, ok := f.X.(*ast.Ident); ok {
				names[of.Name+"."+f.Sel.Name] = true
			}
		}
		return true
	})
	return names
}

// reaches reports whether a function measures its process, itself or by those that it calls.
func reaches(called map[string]map[string]bool, name string, seen map[string]bool) bool {
	if seen[name] {
		return false
	}
	seen[name] = true
	for callee := range called[name] {
		if slices.Contains(measures, callee) || reaches(called, callee, seen) {
			return true
		}
	}
	return false
}

func TestMeasurementsAreFound(t *testing.T) {
	t.Parallel()
	measuring, parallel := measurements(t, [][]byte{[]byte(`package x

func TestAlone(t *testing.T) {
	// Not parallel: it counts allocations.
	if testing.AllocsPerRun(1, f) != 0 {
		t.Error("allocates")
	}
}

func TestIndirect(t *testing.T) {
	t.Parallel()
	t.Run("a", func(t *testing.T) { used() })
}

func TestOther(t *testing.T) {
	t.Parallel()
	other()
}
`), []byte(`package x

func used() int { return heap() }

func heap() int {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return used()
}

func other() { other() }
`)})
	if want := []string{"TestIndirect"}; measuring != 2 || !slices.Equal(parallel, want) {
		t.Errorf("of %d tests %v are parallel, want %v of 2", measuring, parallel, want)
	}
}
