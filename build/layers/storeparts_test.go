package layers_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/build/layers"
)

// wholeStore are the packages, with those below them, that may name the whole store: they
// implement it, or give other packages their parts of it.
var wholeStore = []string{"internal/store", "server", "cmd", "bench"}

// storePath is the import path of the package that declares the whole store.
const storePath = layers.Module + "/internal/store"

// TestPartsOfTheStore: a package states the methods of the store that it calls, in interfaces of
// its own. It does not name the interfaces of package store, and declares no method of them
// that it does not call.
func TestPartsOfTheStore(t *testing.T) {
	listed := list(t)
	users, stated := 0, 0
	for _, p := range listed {
		folder := strings.TrimPrefix(p.ImportPath, layers.Module+"/")
		may := slices.ContainsFunc(wholeStore, func(w string) bool { return folder == w || strings.HasPrefix(folder, w+"/") })
		if may || p.DepOnly || !slices.Contains(p.Imports, storePath) {
			continue
		}
		faults, n, err := checkParts(p, listed)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range faults {
			t.Error(f)
		}
		users++
		stated += n
	}
	if users < 10 || stated < 150 {
		t.Errorf("%d packages state %d methods: they were not read", users, stated)
	}
}

// listedPackage is what go list prints of a package.
type listedPackage struct {
	Dir, ImportPath, Export string
	DepOnly                 bool
	GoFiles, Imports        []string
}

// list returns the packages below internal/, and all that they import, with compiled types.
func list(t *testing.T) map[string]listedPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-json=Dir,ImportPath,Export,DepOnly,GoFiles,Imports", "./internal/...")
	cmd.Dir, cmd.Stderr = root, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	listed := map[string]listedPackage{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listedPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return listed
		} else if err != nil {
			t.Fatalf("read the packages: %v", err)
		}
		listed[p.ImportPath] = p
	}
}

// checkParts returns the faults of one package, and how many methods of the store its interfaces
// declare.
func checkParts(p listedPackage, listed map[string]listedPackage) (faults []string, stated int, err error) {
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, 0, fmt.Errorf("parse: %w", err)
		}
		files = append(files, f)
	}
	open := func(path string) (io.ReadCloser, error) { return os.Open(listed[path].Export) }
	conf := types.Config{Importer: importer.ForCompiler(fset, "gc", open)}
	info := &types.Info{Selections: map[*ast.SelectorExpr]*types.Selection{}, Uses: map[*ast.Ident]types.Object{}}
	pkg, err := conf.Check(p.ImportPath, fset, files, info)
	if err != nil {
		return nil, 0, fmt.Errorf("check the types of %s: %w", p.ImportPath, err)
	}
	var methods map[string]bool // of the whole store
	for _, imported := range pkg.Imports() {
		if imported.Path() == storePath {
			methods = methodNames(imported.Scope().Lookup("Tx"), imported.Scope().Lookup("Store"))
		}
	}
	for id, o := range info.Uses {
		named, ok := o.(*types.TypeName)
		if ok && named.Pkg() != nil && named.Pkg().Path() == storePath && types.IsInterface(named.Type()) {
			faults = append(faults, fmt.Sprintf("%s: names store.%s: state the methods that are called in an interface of the package",
				fset.Position(id.Pos()), o.Name()))
		}
	}
	called := map[*types.Func]bool{}
	for _, s := range info.Selections {
		if i, ok := s.Recv().Underlying().(*types.Interface); ok {
			mark(called, i, s.Obj().Name())
		}
	}
	for _, name := range pkg.Scope().Names() {
		o, ok := pkg.Scope().Lookup(name).(*types.TypeName)
		if !ok {
			continue
		}
		declared, ok := o.Type().Underlying().(*types.Interface)
		if !ok {
			continue
		}
		for m := range declared.ExplicitMethods() {
			if !methods[m.Name()] {
				continue
			}
			if stated++; !called[m] {
				faults = append(faults, fmt.Sprintf("%s: the interface %s declares %s, which nothing calls on it",
					fset.Position(m.Pos()), name, m.Name()))
			}
		}
	}
	return faults, stated, nil
}

// methodNames returns the names of the methods of interfaces.
func methodNames(of ...types.Object) map[string]bool {
	names := map[string]bool{}
	for _, o := range of {
		for m := range o.Type().Underlying().(*types.Interface).Methods() {
			names[m.Name()] = true
		}
	}
	return names
}

// mark marks the declarations of a method in an interface and in those that it embeds.
func mark(called map[*types.Func]bool, i *types.Interface, name string) {
	for m := range i.ExplicitMethods() {
		if m.Name() == name {
			called[m] = true
		}
	}
	for e := range i.EmbeddedTypes() {
		if embedded, ok := e.Underlying().(*types.Interface); ok {
			mark(called, embedded, name)
		}
	}
}
