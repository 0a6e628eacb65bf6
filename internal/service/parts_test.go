package service

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestPartsAreSummed: Tx embeds every part that a service states for its changes, and Reader every
// part for a snapshot. Otherwise change, update and view could not convert to it.
func TestPartsAreSummed(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	embeds := map[string][]string{} // by interface
	for _, path := range paths {
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if declared, ok := spec.Type.(*ast.InterfaceType); ok {
				embeds[spec.Name.Name] = nil
				for _, m := range declared.Methods.List {
					if id, ok := m.Type.(*ast.Ident); ok && len(m.Names) == 0 {
						embeds[spec.Name.Name] = append(embeds[spec.Name.Name], id.Name)
					}
				}
			}
			return true
		})
	}
	summed := map[string]bool{}
	var add func(string)
	add = func(name string) {
		summed[name] = true
		for _, e := range embeds[name] {
			add(e)
		}
	}
	add("Tx")
	add("Reader")
	if len(summed) < 20 {
		t.Fatalf("found only %d parts", len(summed))
	}
	for name := range embeds {
		if (strings.HasSuffix(name, "Tx") || strings.HasSuffix(name, "View")) && !summed[name] {
			t.Errorf("neither Tx nor Reader embeds %s", name)
		}
	}
}
