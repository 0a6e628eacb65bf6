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
	t.Parallel()
	packages := readPackages(t)
	if len(packages) < 2 {
		t.Fatalf("found %d packages: the graph was not read", len(packages))
	}
	for _, fault := range layers.Check(packages) {
		t.Error(fault)
	}
}

// TestPublicPackages lists what other modules can import. A package that is not meant for them
// lies below internal/.
func TestPublicPackages(t *testing.T) {
	t.Parallel()
	want := []string{"api", "conformance", "conformance/openapi", "server", "server/config"}
	var public []string
	for _, p := range readPackages(t) {
		parts := strings.Split(p.Path, "/")
		if !p.Program && parts[0] != "build" && parts[0] != "sdk" && !slices.Contains(parts, "internal") {
			public = append(public, p.Path)
		}
	}
	if !slices.Equal(public, want) {
		t.Errorf("other modules can import %q, want %q: move the others below internal/", public, want)
	}
}

// TestCheck has one package per case, with imports that break or keep one rule.
func TestCheck(t *testing.T) {
	t.Parallel()
	const m = layers.Module + "/"
	tests := []struct {
		name        string
		from        string
		imports     []string
		testImports []string
		want        string // part of the one fault; empty for no fault
	}{
		{name: "down one layer", from: "internal/rest", imports: []string{m + "internal/service"}},
		{name: "down several layers", from: "cmd/b2b", imports: []string{m + "server", m + "conformance", m + "internal/call"}},
		{name: "a common package from a higher layer", from: "internal/store", imports: []string{m + "internal/call", m + "sdk/go/b2b/v1"}},
		{name: "internal/wire imports internal/call", from: "internal/wire", imports: []string{m + "internal/call"}},
		{name: "a rule imports a rule", from: "internal/jsonrepair", imports: []string{"strings", m + "internal/jstext"}},
		{name: "within generated code", from: "sdk/go/b2b/v1/b2bv1connect", imports: []string{m + "sdk/go/b2b/v1", "connectrpc.com/connect"}},
		{name: "tests import any layer", from: "internal/store/sqlstore", testImports: []string{m + "internal/store/storetest", m + "server"}},
		{name: "the server imports the store implementation", from: "server", imports: []string{m + "internal/store/sqlstore"}},

		{name: "no layer", from: "server/utils", want: "has no layer"},
		{name: "a pattern without /... matches no subpackage", from: "internal/rest/deep", want: "has no layer"},
		{name: "import of a package without a layer", from: "internal/rest", imports: []string{m + "server/utils"}, want: "has no layer"},
		{name: "up", from: "internal/service", imports: []string{m + "internal/rest"}, want: "downward"},
		{name: "the edge imports a binding", from: "internal/edge", imports: []string{m + "internal/rest"}},
		{name: "a binding imports the edge", from: "internal/rest", imports: []string{m + "internal/edge"}, want: "downward"},
		{name: "one binding imports another", from: "internal/rest", imports: []string{m + "internal/rpc"}, want: "downward"},
		{name: "internal/call imports internal/wire", from: "internal/call", imports: []string{m + "internal/wire"}, want: "downward"},
		{name: "a rule imports a library", from: "internal/thread", imports: []string{"github.com/google/uuid"}, want: "standard library"},
		{name: "a rule imports the schema", from: "internal/thread", imports: []string{m + "sdk/go/b2b/v1"}, want: "standard library"},
		{name: "a rule imports the store", from: "internal/mention", imports: []string{m + "internal/store"}, want: "standard library"},
		{name: "a binding imports the server", from: "internal/rest", imports: []string{m + "server"}, want: "only commands"},
		{name: "a service imports a store implementation", from: "internal/service", imports: []string{m + "internal/store/sqlstore"}, want: "store implementation"},
		{name: "the server imports the test suite of the stores", from: "server", imports: []string{m + "internal/store/storetest"}, want: "only tests"},
		{name: "conformance imports the SDK", from: "conformance", imports: []string{m + "sdk/go/b2b/v1"}, want: "no other package"},
		{name: "the tests of conformance import the server", from: "conformance", testImports: []string{m + "server"}, want: "no other package"},
		{name: "the tools of MCP import a package of the server", from: "internal/mcp", imports: []string{m + "internal/limits"}, want: "through the SDK"},
		{name: "the quickstart imports a package of the server", from: "internal/quickstart", imports: []string{m + "internal/call"}, want: "through the SDK"},
		{name: "the verbs import what they share with the server", from: "cmd/b2b/internal/cli", imports: []string{m + "sdk/go", m + "internal/wire", m + "internal/textdiff", m + "cmd/b2b/internal/term"}},
		{name: "the verbs import a package of the server", from: "cmd/b2b/internal/cli", imports: []string{m + "internal/store"}, want: "through the SDK"},
		{name: "the runner imports a package of the server", from: "cmd/b2b/internal/runner", imports: []string{m + "internal/service"}, want: "through the SDK"},
		{name: "an SDK imports the server", from: "sdk/go/b2b/v1", imports: []string{m + "internal/wire"}, want: "SDK"},
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
			p = &layers.Package{Path: dir, Program: parsed.Name.Name == "main"}
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
