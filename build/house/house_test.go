package house_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/build/house"
)

// root is the repository, seen from this package.
const root = "../.."

func TestImportsRunDownward(t *testing.T) {
	packages := readPackages(t)
	if len(packages) < 2 {
		t.Fatalf("found %d packages: the graph was not read", len(packages))
	}
	for _, fault := range house.Check(packages) {
		t.Error(fault)
	}
}

// Each case is the smallest graph that breaks one rule, or keeps it.
func TestCheckCatches(t *testing.T) {
	const m = house.Module + "/"
	tests := []struct {
		name        string
		from        string
		imports     []string
		testImports []string
		want        string // in the only fault; empty for none
	}{
		{name: "down one floor", from: "server/rest", imports: []string{m + "server/service"}},
		{name: "down many floors", from: "cmd/b2b", imports: []string{m + "server", m + "conformance", m + "server/call"}},
		{name: "common from everywhere above", from: "server/store", imports: []string{m + "server/call", m + "sdk/go/b2b/v1"}},
		{name: "the wire tells errors", from: "server/wire", imports: []string{m + "server/call"}},
		{name: "a rule uses a rule", from: "server/jsonrepair", imports: []string{"strings", m + "server/jstext"}},
		{name: "within generated code", from: "sdk/go/b2b/v1/b2bv1connect", imports: []string{m + "sdk/go/b2b/v1", "connectrpc.com/connect"}},
		{name: "tests put rooms together", from: "server/store/sqlstore", testImports: []string{m + "server/store/storetest", m + "server"}},
		{name: "the wiring chooses the store", from: "server", imports: []string{m + "server/store/sqlstore"}},

		{name: "no room", from: "server/utils", want: "has no room"},
		{name: "a room is not a subtree", from: "server/rest/deep", want: "has no room"},
		{name: "import of no room", from: "server/rest", imports: []string{m + "server/utils"}, want: "no room"},
		{name: "up", from: "server/service", imports: []string{m + "server/rest"}, want: "downward"},
		{name: "the edge knows the bindings", from: "server/edge", imports: []string{m + "server/rest"}},
		{name: "a binding knows no edge", from: "server/rest", imports: []string{m + "server/edge"}, want: "downward"},
		{name: "across", from: "server/rest", imports: []string{m + "server/rpc"}, want: "downward"},
		{name: "the caller knows no wire", from: "server/call", imports: []string{m + "server/wire"}, want: "downward"},
		{name: "a rule uses a library", from: "server/thread", imports: []string{"github.com/google/uuid"}, want: "standard library"},
		{name: "a rule uses the schema", from: "server/thread", imports: []string{m + "sdk/go/b2b/v1"}, want: "standard library"},
		{name: "a rule looks up", from: "server/mention", imports: []string{m + "server/store"}, want: "standard library"},
		{name: "the server from below", from: "server/rest", imports: []string{m + "server"}, want: "only commands"},
		{name: "the store by name", from: "server/service", imports: []string{m + "server/store/sqlstore"}, want: "wiring"},
		{name: "a test suite ships", from: "server", imports: []string{m + "server/store/storetest"}, want: "only tests"},
		{name: "conformance sees types", from: "conformance", imports: []string{m + "sdk/go/b2b/v1"}, want: "only bytes"},
		{name: "conformance tests see the server", from: "conformance", testImports: []string{m + "server"}, want: "only bytes"},
		{name: "an SDK sees the server", from: "sdk/go/b2b/v1", imports: []string{m + "server/wire"}, want: "SDK"},
		{name: "an SDK's tests see the server", from: "sdk/go/b2b/v1", testImports: []string{m + "server"}, want: "SDK"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			faults := house.Check([]house.Package{{Path: tt.from, Imports: tt.imports, TestImports: tt.testImports}})
			switch {
			case tt.want == "" && len(faults) > 0:
				t.Errorf("refused: %q", faults)
			case tt.want != "" && (len(faults) != 1 || !strings.Contains(faults[0], tt.want)):
				t.Errorf("got %q, want one fault that says %q", faults, tt.want)
			}
		})
	}
}

// readPackages parses the imports of every Go file of the tree, whatever its build
// tags. It reads the files itself, not through the go command, so that the test
// cache knows what this test depends on.
func readPackages(t *testing.T) []house.Package {
	t.Helper()
	found := map[string]*house.Package{}
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			name := entry.Name()
			hidden := strings.HasPrefix(name, ".") && file != root
			if hidden || name == "node_modules" || name == "testdata" || isModule(file) {
				return filepath.SkipDir
			}
			return nil
		}
		if path.Ext(file) != ".go" {
			return nil
		}
		dir, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		dir = filepath.ToSlash(dir)
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		p := found[dir]
		if p == nil {
			p = &house.Package{Path: dir}
			found[dir] = p
		}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			list := &p.Imports
			if strings.HasSuffix(file, "_test.go") {
				list = &p.TestImports
			}
			if !slices.Contains(*list, imported) {
				*list = append(*list, imported)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("reading the Go files: %v", err)
	}
	packages := make([]house.Package, 0, len(found))
	for _, p := range found {
		slices.Sort(p.Imports)
		packages = append(packages, *p)
	}
	slices.SortFunc(packages, func(a, b house.Package) int { return strings.Compare(a.Path, b.Path) })
	return packages
}

// isModule tells whether a folder below the root begins another Go module.
func isModule(dir string) bool {
	if dir == root {
		return false
	}
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}
