package main

import (
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
)

// cuts are the statements that disable audit and limits. Each is inserted at the beginning of a
// function of the service.
var cuts = []struct{ file, function, statement string }{
	{"internal/service/events.go", "audit", `if action == "message.send" { return nil };`},
	{"internal/service/ratelimit.go", "take", `if limit > 0 { return nil };`},
}

// buildBare builds the server with the cuts, without audit and limits.
func buildBare(ctx context.Context, folder, binary string) error {
	replace := map[string]string{}
	for i, c := range cuts {
		text, err := cut(c.file, c.function, c.statement)
		if err != nil {
			return fmt.Errorf("leave out %s: %w", c.function, err)
		}
		source, err := filepath.Abs(c.file)
		if err != nil {
			return err
		}
		replace[source] = filepath.Join(folder, fmt.Sprintf("cut%d.go", i))
		if err := os.WriteFile(replace[source], text, 0o600); err != nil {
			return err
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return err
	}
	path := filepath.Join(folder, "overlay.json")
	if err := os.WriteFile(path, overlay, 0o600); err != nil {
		return err
	}
	build := exec.CommandContext(ctx, "go", "build", "-overlay", path, "-o", binary, "./cmd/b2b")
	build.Env, build.Stderr = append(os.Environ(), "CGO_ENABLED=0"), os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build the server without audit and limits: %w", err)
	}
	return nil
}

// cut returns a source file with a statement inserted at the beginning of one of its functions.
func cut(file, function, statement string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, text, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	for _, d := range parsed.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == function {
			at := set.Position(f.Body.Lbrace).Offset + 1
			return append(append(text[:at:at], statement...), text[at:]...), nil
		}
	}
	return nil, fmt.Errorf("%s has no function %s", file, function)
}
