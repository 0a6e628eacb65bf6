package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/cli"
)

func TestManPage(t *testing.T) {
	t.Parallel()
	c := &cobra.Command{Use: "x Y", Short: "Do it", Long: "One.\n.two\n'three \\ four-five", Example: "  x 1",
		Run: func(*cobra.Command, []string) {}}
	c.Flags().StringP("file", "f", "", "read this `path`")
	want := ".TH X 1\n.SH NAME\nx \\- Do it\n.SH SYNOPSIS\n.B x Y [flags]\n.SH DESCRIPTION\nOne.\n\\&.two\n\\&'three \\e four\\-five\n" +
		".SH EXAMPLES\n.nf\n  x 1\n.fi\n.SH OPTIONS\n.TP\n\\-f, \\-\\-file path\nread this path\n"
	if got := cli.ManPage(c); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestManPages(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	folder := filepath.Join(m.home, "man1")
	if res := m.run("", "man", "--dir", folder); res.status != 0 {
		t.Fatalf("%+v", res)
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) < 50 {
		t.Fatalf("%d pages, %v", len(entries), err)
	}
	page, err := os.ReadFile(filepath.Join(folder, "b2b-thread-post.1"))
	if err != nil || !strings.HasPrefix(string(page), ".TH B2B\\-THREAD\\-POST 1\n") || !strings.Contains(string(page),
		"\\-\\-reply\\-to id") {
		t.Errorf("%v\n%s", err, page)
	}
	if res := m.run("", "man", "thread", "post"); res.out != string(page) {
		t.Errorf("%+v", res)
	}
	if res := m.run("", "man", "nonsense", "--json"); res.status != cli.ExitUsage {
		t.Errorf("%+v", res)
	}
}
