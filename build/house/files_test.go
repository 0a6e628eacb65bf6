package house_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	maxFileBytes = 512 << 10 // any committed file: larger ones are data, not source
	maxGoBytes   = 24 << 10  // a Go file written by hand: what one head holds at once
)

// A generator leaves files with a known ending, a mark that tells readers not to
// edit them, and the name of the schema file that they come from.
type generator struct {
	ending string
	mark   *regexp.Regexp
	source *regexp.Regexp // group 1 is a path below api
}

var (
	goMark   = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)
	goSource = regexp.MustCompile(`(?mi)^// source: (\S+\.proto)$`)
)

var generators = []generator{
	{ending: ".pb.go", mark: goMark, source: goSource},
	{ending: ".connect.go", mark: goMark, source: goSource},
}

func TestFilesAreSmall(t *testing.T) {
	for _, file := range committed(t) {
		info, err := os.Stat(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > maxFileBytes {
			t.Errorf("%s is %d KiB: no committed file is over %d", file, info.Size()>>10, maxFileBytes>>10)
		}
		if path.Ext(file) == ".go" && info.Size() > maxGoBytes && !isGenerated(t, file) {
			t.Errorf("%s is %d KiB: split what is over %d", file, info.Size()>>10, maxGoBytes>>10)
		}
	}
}

func TestGeneratedFilesSaySo(t *testing.T) {
	for _, file := range committed(t) {
		for _, g := range generators {
			if !strings.HasSuffix(file, g.ending) {
				continue
			}
			content := read(t, file)
			if !g.mark.Match(content) {
				t.Errorf("%s does not say that it is generated", file)
			}
			source := g.source.FindSubmatch(content)
			if source == nil {
				t.Errorf("%s does not name its schema file", file)
				continue
			}
			schema := filepath.Join(root, "api", string(source[1]))
			if _, err := os.Stat(schema); err != nil {
				t.Errorf("%s outlives its schema: remove it (%v)", file, err)
			}
		}
	}
}

// committed lists the files in the index that are still there.
func committed(t *testing.T) []string {
	t.Helper()
	git := func(args ...string) string {
		out, err := exec.Command("git", append([]string{"-C", root}, args...)...).Output()
		if err != nil {
			t.Fatalf("git %s: %v", strings.Join(args, " "), err)
		}
		return string(out)
	}
	// The test cache sees files, not what git says of them: let it see the index.
	index := strings.TrimSpace(git("rev-parse", "--git-path", "index"))
	if !filepath.IsAbs(index) {
		index = filepath.Join(root, index)
	}
	if _, err := os.Stat(index); err != nil {
		t.Fatal(err)
	}
	var files []string
	for file := range strings.SplitSeq(git("ls-files", "-z"), "\x00") {
		if file == "" {
			continue
		}
		if _, err := os.Stat(filepath.Join(root, file)); err == nil {
			files = append(files, file)
		}
	}
	if len(files) == 0 {
		t.Fatal("git lists no file")
	}
	return files
}

func isGenerated(t *testing.T, file string) bool {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, bytes.NewReader(read(t, file)), parser.PackageClauseOnly|parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return ast.IsGenerated(parsed)
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	return content
}
