package layers_test

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

	"github.com/b2b-protocol/b2b/build/layers"
)

// root is the folder of the repository, relative to this package.
const root = "../.."

func TestImportsRunDownward(t *testing.T) {
	packages := readPackages(t)
	if len(packages) < 2 {
		t.Fatalf("found %d packages: the graph was not read", len(packages))
	}
	for _, fault := range layers.Check(packages) {
		t.Error(fault)
	}
}

// TestCheck has one package per case, with imports that break or keep one rule.
func TestCheck(t *testing.T) {
	const m = layers.Module + "/"
	tests := []struct {
		name        string
		from        string
		imports     []string
		testImports []string
		want        string // part of the one fault; empty for no fault
	}{
		{name: "down one layer", from: "server/rest", imports: []string{m + "server/service"}},
		{name: "down several layers", from: "cmd/b2b", imports: []string{m + "server", m + "conformance", m + "server/call"}},
		{name: "a common package from a higher layer", from: "server/store", imports: []string{m + "server/call", m + "sdk/go/b2b/v1"}},
		{name: "server/wire imports server/call", from: "server/wire", imports: []string{m + "server/call"}},
		{name: "a rule imports a rule", from: "server/jsonrepair", imports: []string{"strings", m + "server/jstext"}},
		{name: "within generated code", from: "sdk/go/b2b/v1/b2bv1connect", imports: []string{m + "sdk/go/b2b/v1", "connectrpc.com/connect"}},
		{name: "tests import any layer", from: "server/store/sqlstore", testImports: []string{m + "server/store/storetest", m + "server"}},
		{name: "the server imports the store implementation", from: "server", imports: []string{m + "server/store/sqlstore"}},

		{name: "no layer", from: "server/utils", want: "has no layer"},
		{name: "a pattern without /... matches no subpackage", from: "server/rest/deep", want: "has no layer"},
		{name: "import of a package without a layer", from: "server/rest", imports: []string{m + "server/utils"}, want: "has no layer"},
		{name: "up", from: "server/service", imports: []string{m + "server/rest"}, want: "downward"},
		{name: "the edge imports a binding", from: "server/edge", imports: []string{m + "server/rest"}},
		{name: "a binding imports the edge", from: "server/rest", imports: []string{m + "server/edge"}, want: "downward"},
		{name: "one binding imports another", from: "server/rest", imports: []string{m + "server/rpc"}, want: "downward"},
		{name: "server/call imports server/wire", from: "server/call", imports: []string{m + "server/wire"}, want: "downward"},
		{name: "a rule imports a library", from: "server/thread", imports: []string{"github.com/google/uuid"}, want: "standard library"},
		{name: "a rule imports the schema", from: "server/thread", imports: []string{m + "sdk/go/b2b/v1"}, want: "standard library"},
		{name: "a rule imports the store", from: "server/mention", imports: []string{m + "server/store"}, want: "standard library"},
		{name: "a binding imports the server", from: "server/rest", imports: []string{m + "server"}, want: "only commands"},
		{name: "a service imports a store implementation", from: "server/service", imports: []string{m + "server/store/sqlstore"}, want: "store implementation"},
		{name: "the server imports the test suite of the stores", from: "server", imports: []string{m + "server/store/storetest"}, want: "only tests"},
		{name: "conformance imports the SDK", from: "conformance", imports: []string{m + "sdk/go/b2b/v1"}, want: "no other package"},
		{name: "the tests of conformance import the server", from: "conformance", testImports: []string{m + "server"}, want: "no other package"},
		{name: "an SDK imports the server", from: "sdk/go/b2b/v1", imports: []string{m + "server/wire"}, want: "SDK"},
		{name: "the tests of an SDK import the server", from: "sdk/go/b2b/v1", testImports: []string{m + "server"}, want: "SDK"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			faults := layers.Check([]layers.Package{{Path: tt.from, Imports: tt.imports, TestImports: tt.testImports}})
			switch {
			case tt.want == "" && len(faults) > 0:
				t.Errorf("refused: %q", faults)
			case tt.want != "" && (len(faults) != 1 || !strings.Contains(faults[0], tt.want)):
				t.Errorf("got %q, want one fault with %q", faults, tt.want)
			}
		})
	}
}

// readPackages returns the packages of the repository with the imports of all their files,
// regardless of build tags. It reads the files itself rather than through the go command, so
// that the test cache notices when they change.
func readPackages(t *testing.T) []layers.Package {
	t.Helper()
	found := map[string]*layers.Package{}
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
			p = &layers.Package{Path: dir}
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
	packages := make([]layers.Package, 0, len(found))
	for _, p := range found {
		slices.Sort(p.Imports)
		packages = append(packages, *p)
	}
	slices.SortFunc(packages, func(a, b layers.Package) int { return strings.Compare(a.Path, b.Path) })
	return packages
}

// isModule reports whether a folder below the root is the root of another Go module.
func isModule(dir string) bool {
	if dir == root {
		return false
	}
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}
