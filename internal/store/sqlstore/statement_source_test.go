package sqlstore

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var writeDeclared = flag.Bool("update", false, "write "+declaredFile)

// declaredFile lists the variables that declare statements.
const declaredFile = "declared_test.go"

// source is the source of the package without its tests.
type source []*ast.File

func packageSource(t testing.TB) (all source) {
	t.Helper()
	files, err := fs.Glob(os.DirFS("."), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	return all
}

// makers returns the functions and methods that make statements, directly or by another. Methods
// have a dot before their names. dialect.kept is none: it makes members of families only.
func (s source) makers() map[string]*ast.FuncDecl {
	out := map[string]*ast.FuncDecl{}
	for grown := true; grown; {
		grown = false
		for _, f := range s {
			for _, d := range f.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if !ok || out[funcName(fn)] != nil || funcName(fn) == ".kept" || !makes(fn, out) {
					continue
				}
				out[funcName(fn)] = fn
				grown = true
			}
		}
	}
	return out
}

func funcName(fn *ast.FuncDecl) string {
	if fn.Recv != nil {
		return "." + fn.Name.Name
	}
	return fn.Name.Name
}

// makes reports whether code makes or alters a statement: by a literal, or by a call.
func makes(n ast.Node, makers map[string]*ast.FuncDecl) (found bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			of, ok := n.Type.(*ast.Ident)
			found = found || ok && (of.Name == "statement" || of.Name == "family")
		case *ast.CallExpr:
			found = found || makers[called(n)] != nil || called(n) == ".reading" || called(n) == ".inPostgres"
		}
		return !found
	})
	return found
}

// called returns the name of the function or, after a dot, of the method that is called.
func called(n *ast.CallExpr) string {
	fn := n.Fun
	if typed, ok := fn.(*ast.IndexExpr); ok {
		fn = typed.X
	}
	switch fn := fn.(type) {
	case *ast.Ident:
		return fn.Name
	case *ast.SelectorExpr:
		return "." + fn.Sel.Name
	}
	return ""
}

// declares returns the names of the variables of the package that declare statements.
func (s source) declares() []string {
	makers := s.makers()
	var names []string
	for _, f := range s {
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, spec := range g.Specs {
				v := spec.(*ast.ValueSpec)
				for i, value := range v.Values {
					if makes(value, makers) {
						names = append(names, v.Names[i].Name)
					}
				}
			}
		}
	}
	slices.Sort(names)
	return names
}

// late returns the exported functions and methods that make statements: other packages call the
// store by these alone, so without them no statement is made while it runs.
func (s source) late() (names []string) {
	for name, fn := range s.makers() {
		if fn.Name.IsExported() {
			names = append(names, name)
		}
	}
	return names
}

// TestStatementsAreDeclared: all statements are made with the variables of the package, and the
// list of them, which the tests check, is complete.
func TestStatementsAreDeclared(t *testing.T) {
	t.Parallel()
	src := packageSource(t)
	if late := src.late(); len(late) > 0 {
		t.Errorf("%v make statements when they are called: declare them as variables of the package, or as a family", late)
	}
	names := src.declares()
	if *writeDeclared {
		var b bytes.Buffer
		fmt.Fprintf(&b, "package sqlstore\n\n// declared are the variables that declare statements. Remove those that\n// are gone; go test -run TestStatementsAreDeclared -update adds the others.\n")
		fmt.Fprintf(&b, "var declared = map[string]any{\n")
		for _, name := range names {
			fmt.Fprintf(&b, "%q: %s,\n", name, name)
		}
		fmt.Fprintf(&b, "}\n")
		text, err := format.Source(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(declaredFile, text, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got := slices.Sorted(maps.Keys(declared)); !slices.Equal(got, names) {
		t.Errorf("%s is not the list of the source: run go test -run TestStatementsAreDeclared -update", declaredFile)
	}
}

// driverCalls are the methods of database/sql that take the text of a statement, and the place of
// the text.
var driverCalls = map[string]int{
	"ExecContext": 1, "QueryContext": 1, "QueryRowContext": 1, "PrepareContext": 1,
	"Exec": 0, "Query": 0, "QueryRow": 0, "Prepare": 0,
	"Script": 2, // of pgpipe
}

// texts returns the functions that pass a text to the driver that is not of a statement.
func (s source) texts() (names []string) {
	for _, f := range s {
		for _, d := range f.Decls {
			ast.Inspect(d, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				at, ok := driverCalls[strings.TrimPrefix(called(call), ".")]
				if !ok || !strings.HasPrefix(called(call), ".") || len(call.Args) <= at {
					return true
				}
				if call.Ellipsis.IsValid() && len(call.Args) == at+1 { // of sql.Stmt: arguments alone
					return true
				}
				if !ofStatement(call.Args[at]) {
					name := "a variable"
					if fn, ok := d.(*ast.FuncDecl); ok {
						name = funcName(fn)
					}
					names = append(names, name)
				}
				return true
			})
		}
	}
	return slices.Compact(names)
}

// ofStatement reports whether an expression is q.text[…].
func ofStatement(e ast.Expr) bool {
	index, ok := e.(*ast.IndexExpr)
	if !ok {
		return false
	}
	field, ok := index.X.(*ast.SelectorExpr)
	return ok && field.Sel.Name == "text"
}

// TestTextsAreOfStatements: the driver receives no other texts of statements, except the
// migrations, which are files.
func TestTextsAreOfStatements(t *testing.T) {
	t.Parallel()
	if got, want := packageSource(t).texts(), []string{"script"}; !slices.Equal(got, want) {
		t.Errorf("%v pass texts to the driver that are not of statements; want %v", got, want)
	}
}

// Violations are found.
func TestStatementsAreDeclaredControl(t *testing.T) {
	t.Parallel()
	parse := func(body string) source {
		f, err := parser.ParseFile(token.NewFileSet(), "x.go", "package sqlstore\n"+body, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		return append(packageSource(t), f)
	}
	right := parse(`var selectX = read(onBots, "SELECT 1")
		func (r reader) X(ctx context.Context) { conn.QueryContext(ctx, selectX.text[forSQLite], 1); stmt.QueryContext(ctx, args...) }`)
	if late, texts := right.late(), right.texts(); len(late) > 0 || len(texts) != 1 || !slices.Contains(right.declares(), "selectX") {
		t.Errorf("control: %v, %v", late, texts)
	}
	for _, body := range []string{
		`func (r reader) X() { value(r, read(onBots, "SELECT "+name)) }`,
		`func (r reader) X() { r.x() }; func (r reader) x() { q := &statement{}; run(q) }`,
		`func (r reader) X() { value(r, columnsOf("name")) }; func columnsOf(c string) *statement { return read(onBots, "SELECT "+c) }`,
		`func (t *tx) X() { put(t, insertRow[store.Bot](onBots, rest)) }`,
		`func (r reader) X() { listed(r, listing{}.of(onBots, "").choose()) }`,
		`func (r reader) X() { f := family{}; f.member(1) }`,
		`func (r reader) X() { value(r, selectBot.inPostgres("SELECT "+name)) }`,
	} {
		if len(parse(body).late()) == 0 {
			t.Errorf("no violation is found in %s", body)
		}
	}
	for _, body := range []string{
		`func x(ctx context.Context) { conn.QueryContext(ctx, "SELECT 1") }`,
		`func x(ctx context.Context) { db.QueryRowContext(ctx, q, 1).Scan(&n) }`,
		`func x(ctx context.Context) { db.ExecContext(ctx, "DELETE FROM "+table, args...) }`,
		`func x() { db.Exec(fmt.Sprintf("DELETE FROM %s", table)) }`,
		`func x(ctx context.Context) { conn.PrepareContext(ctx, text) }`,
		`var x = db.QueryRow(text)`,
	} {
		if len(parse(body).texts()) != 2 {
			t.Errorf("no violation is found in %s", body)
		}
	}
}
