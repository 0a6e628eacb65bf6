package repository_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// TestGoSDKHasExamples checks that each entry point of the Go SDK has an example in its
// documentation: each function, and each method of the client. The iterators over lists are alike,
// so one of them is enough; options are in the examples of what takes them.
func TestGoSDKHasExamples(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"sdk/go", "sdk/go/threadcontext", "sdk/go/b2btest"} {
		entries, examples := make(map[string]string), make(map[string]bool)
		for _, file := range committed(t) {
			if path.Dir(file) != folder || path.Ext(file) != ".go" {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range parsed.Decls {
				f, ok := d.(*ast.FuncDecl)
				switch {
				case !ok:
				case strings.HasSuffix(file, "_test.go"):
					if name, ok := strings.CutPrefix(f.Name.Name, "Example"); ok {
						examples[name] = true
					}
				default:
					if name := entryPoint(f); name != "" {
						entries[name] = file
					}
				}
			}
		}
		if len(entries) == 0 {
			t.Errorf("%s has no entry points", folder)
		}
		for name, file := range entries {
			if !examples[name] {
				t.Errorf("%s: there is no function Example%s", file, name)
			}
		}
	}
}

// entryPoint returns what stands for a function in the name of its example, "" if it needs none.
func entryPoint(f *ast.FuncDecl) string {
	name := f.Name.Name
	if !f.Name.IsExported() || (strings.HasPrefix(name, "Each") && name != "EachPeer") {
		return ""
	}
	if f.Recv != nil {
		pointer, ok := f.Recv.List[0].Type.(*ast.StarExpr)
		if !ok {
			return ""
		}
		if receiver, ok := pointer.X.(*ast.Ident); !ok || receiver.Name != "Client" {
			return ""
		}
		return "Client_" + name
	}
	if results := f.Type.Results; results != nil {
		if result, ok := results.List[0].Type.(*ast.Ident); ok && strings.HasSuffix(result.Name, "Option") {
			return ""
		}
	}
	return name
}
