package sqlstore

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// declared is a statement as the source declares it.
type declared struct {
	name   string
	kind   kind
	tables tables
	text   string
}

// wrong returns what the declaration of a statement misses, or "". A set of tables that lacks
// one leaves old rows in the cache; a read that writes leaves all of them.
func (d declared) wrong() string {
	if want := kindOf(d.text); d.kind != want {
		return fmt.Sprintf("is of kind %d, and its text of kind %d", d.kind, want)
	}
	want := tablesOf(d.text)
	switch d.name {
	case "selectThread": // touch keeps the result right
		want &^= onActivity
	case "touchThread": // changes nothing else
		want = onActivity
	}
	if d.tables != want {
		return fmt.Sprintf("declares the tables %b, and its text names %b", d.tables, want)
	}
	return ""
}

// TestStatements compares each declared statement with its text, and lets SQLite prepare it.
func TestStatements(t *testing.T) {
	t.Parallel()
	all := declarations(t)
	ctx := t.Context()
	lite, err := openSQLite(ctx, Config{URL: filepath.Join(t.TempDir(), "b2b.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := lite.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, d := range all {
		if w := d.wrong(); w != "" {
			t.Errorf("%s %s", d.name, w)
		}
		if s, err := lite.pool.db.PrepareContext(ctx, d.text); err != nil {
			t.Errorf("%s on SQLite: %v", d.name, err)
		} else if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A wrong declaration is found.
func TestStatementsControl(t *testing.T) {
	t.Parallel()
	right := declared{"x", updates, onBots, "UPDATE bots SET name = ? WHERE id = ?"}
	if w := right.wrong(); w != "" {
		t.Errorf("control: %s", w)
	}
	for _, d := range []declared{
		{"fewer", reads, onBots, "SELECT b.id FROM bots b JOIN orgs o ON o.id = b.org_id"},
		{"other", updates, onChannels, right.text},
		{"parent", removes, onBots, "DELETE FROM bots WHERE id = ?"},
		{"kind", reads, onBots, right.text},
		{"activity", updates, onThreadRows, "UPDATE threads SET topic = ? WHERE id = ?"},
	} {
		if d.wrong() == "" {
			t.Errorf("the declaration %q is taken", d.name)
		}
	}
}

// source evaluates the constant expressions of this package's source.
type source map[string]ast.Expr

// declarations returns the statements that variables of this package declare.
func declarations(t testing.TB) (all []declared) {
	t.Helper()
	files, err := fs.Glob(os.DirFS("."), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	src, vars := source{}, map[string]*ast.CallExpr{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range g.Specs {
				v, ok := spec.(*ast.ValueSpec)
				if !ok || len(v.Names) != len(v.Values) {
					continue
				}
				for i, n := range v.Names {
					src[n.Name] = v.Values[i]
					if call, ok := v.Values[i].(*ast.CallExpr); ok {
						vars[n.Name] = call
					}
				}
			}
		}
	}
	kinds := map[string]kind{"read": reads, "insert": inserts, "update": updates, "remove": removes}
	for name, call := range vars {
		fn, ok := call.Fun.(*ast.Ident)
		if !ok {
			continue
		}
		k, ok := kinds[fn.Name]
		if !ok {
			continue
		}
		of, err := src.tables(call.Args[0])
		if err != nil {
			t.Fatalf("the tables of %s: %v", name, err)
		}
		text, err := src.text(call.Args[1])
		if err != nil {
			t.Fatalf("the text of %s: %v", name, err)
		}
		all = append(all, declared{name, k, of, text})
	}
	if len(all) < 120 {
		t.Fatalf("only %d statements are found", len(all))
	}
	return all
}

// DeclaredForPostgres returns the texts of the declared statements by name, as PostgreSQL has them.
func DeclaredForPostgres(t testing.TB) map[string]string {
	texts := map[string]string{}
	for _, d := range declarations(t) {
		texts[d.name] = numbered(d.text)
	}
	return texts
}

// text returns the value of a text that is put together from literals, constants and the
// functions below.
func (s source) text(e ast.Expr) (string, error) {
	switch e := e.(type) {
	case *ast.BasicLit:
		return strconv.Unquote(e.Value)
	case *ast.BinaryExpr:
		a, err := s.text(e.X)
		if err != nil {
			return "", err
		}
		b, err := s.text(e.Y)
		return a + b, err
	case *ast.Ident:
		if v, ok := s[e.Name]; ok {
			return s.text(v)
		}
	case *ast.CallExpr:
		fn, ok := e.Fun.(*ast.Ident)
		if !ok || len(e.Args) != 1 {
			break
		}
		of := map[string]func(string) string{"threadColumns": threadColumns, "onLiveNode": onLiveNode, "terminal": terminal}[fn.Name]
		if of == nil {
			break
		}
		arg, err := s.text(e.Args[0])
		return of(arg), err
	}
	return "", fmt.Errorf("%T is not understood", e)
}

// tables returns the value of a set of tables, written as names with | between them.
func (s source) tables(e ast.Expr) (tables, error) {
	switch e := e.(type) {
	case *ast.BasicLit:
		n, err := strconv.ParseUint(e.Value, 0, 64)
		return tables(n), err
	case *ast.BinaryExpr:
		a, err := s.tables(e.X)
		if err != nil {
			return 0, err
		}
		b, err := s.tables(e.Y)
		return a | b, err
	case *ast.Ident:
		for i, name := range tableNames {
			if e.Name == constant(name) {
				return 1 << i, nil
			}
		}
		switch e.Name {
		case "onThreads":
			return onThreads, nil
		case "onAll":
			return onAll, nil
		}
	}
	return 0, fmt.Errorf("%T is not understood", e)
}

// constant returns the name of the constant of a table.
func constant(table string) string {
	switch table {
	case "threads":
		return "onThreadRows"
	case activityName:
		return "onActivity"
	}
	name := "on"
	for part := range strings.SplitSeq(table, "_") {
		name += strings.ToUpper(part[:1]) + part[1:]
	}
	return name
}
