package layers_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// wholeStore are the packages, with those below them, that may name the whole store: they
// implement it, or give other packages their parts of it.
var wholeStore = []string{"internal/store", "server", "cmd", "bench"}

// TestPartsOfTheStore: a package states the methods of the store that it calls, in interfaces of
// its own. It does not name the interfaces of package store, and declares no method of them
// that it does not call.
func TestPartsOfTheStore(t *testing.T) {
	t.Parallel()
	methods := map[string]bool{"View": true, "Update": true}
	whole := map[string]bool{}
	for _, f := range parseFolder(t, "internal/store") {
		for name, declared := range interfaces(f) {
			whole[name] = true
			for _, m := range declared {
				methods[m] = true
			}
		}
	}
	if len(methods) < 150 || !whole["Tx"] || !whole["Reader"] {
		t.Fatalf("found %d methods of the store: it was not read", len(methods))
	}
	users, stated := 0, 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		folder, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		folder = filepath.ToSlash(folder)
		if slices.Contains(wholeStore, folder) || d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".") && folder != "." {
			return fs.SkipDir
		}
		uses, n := checkParts(t, folder, whole, methods)
		if uses {
			users++
		}
		stated += n
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if users < 9 || stated < 100 {
		t.Errorf("%d packages state %d methods: they were not read", users, stated)
	}
}

// checkParts checks one folder. It returns whether its package imports the store, and how many
// methods of the store its interfaces declare.
func checkParts(t *testing.T, folder string, whole, methods map[string]bool) (uses bool, stated int) {
	called := map[string]bool{}
	declared := map[string]string{} // by method: the interface
	for _, f := range parseFolder(t, folder) {
		uses = uses || slices.ContainsFunc(f.Imports, func(i *ast.ImportSpec) bool {
			return strings.HasSuffix(i.Path.Value, `/internal/store"`)
		})
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				called[s.Sel.Name] = true
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "store" && whole[s.Sel.Name] {
					t.Errorf("%s names store.%s: state the methods that it calls in an interface of its own", folder, s.Sel.Name)
				}
			}
			return true
		})
		for name, own := range interfaces(f) {
			for _, m := range own {
				if methods[m] {
					declared[m] = name
				}
			}
		}
	}
	if !uses {
		return false, 0
	}
	for m, name := range declared {
		stated++
		if !called[m] {
			t.Errorf("%s: the interface %s declares %s, which the package does not call", folder, name, m)
		}
	}
	return true, stated
}

// parseFolder parses the files of a folder that are not tests.
func parseFolder(t *testing.T, folder string) []*ast.File {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(root, folder))
	if err != nil {
		t.Fatal(err)
	}
	var out []*ast.File
	for _, e := range entries {
		if e.IsDir() || !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, folder, e.Name()), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, f)
	}
	return out
}

// interfaces returns the methods that each interface of a file declares itself.
func interfaces(f *ast.File) map[string][]string {
	out := map[string][]string{}
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, s := range g.Specs {
			spec, ok := s.(*ast.TypeSpec)
			if !ok {
				continue
			}
			declared, ok := spec.Type.(*ast.InterfaceType)
			if !ok {
				continue
			}
			out[spec.Name.Name] = nil
			for _, m := range declared.Methods.List {
				for _, name := range m.Names {
					out[spec.Name.Name] = append(out[spec.Name.Name], name.Name)
				}
			}
		}
	}
	return out
}
