package layers_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestNoGRPC: the program does not depend on google.golang.org/grpc, with which it would be 18 MB
// larger: that imports html/template, after which the linker keeps every exported method.
func TestNoGRPC(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "./cmd/b2b")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Fields(string(out))
	if !slices.Contains(all, "connectrpc.com/connect") {
		t.Fatalf("connectrpc.com/connect is not among %d packages: they were not listed", len(all))
	}
	for _, p := range all {
		if p == "html/template" || p == "google.golang.org/grpc" || strings.HasPrefix(p, "google.golang.org/grpc/") {
			t.Errorf("cmd/b2b depends on %s", p)
		}
	}
}
