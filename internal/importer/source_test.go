package importer_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/internal/importer"
)

// B2B-IMP-005: what is no database of HXA-Connect is named without its password, and told
// from a file that is missing.
func TestSourceIsNoDatabase(t *testing.T) {
	t.Parallel()
	odd := filepath.Join(t.TempDir(), "a@b:c=d")
	if err := os.Mkdir(odd, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ from, want string }{
		{"mysql://u:topsecret@h/d", "mysql://… cannot be imported"},
		{"redis://topsecret", "redis://… cannot be imported"},
		{"mysql:u:topsecret@h", "what --from names cannot be imported"},
		{"u:topsecret@tcp(h:3306)/d", "what --from names cannot be imported"},
		{"u:topsecret@://h", "what --from names cannot be imported"},
		{"host=h password=topsecret", "postgres://user:password@host/database"},
		{"postgres:/u:topsecret@h/d", "postgres://user:password@host/database"},
		{"Postgres://u:topsecret@h:port/d", "open the old database"},
		{"postgres://u:top/topsecret@h/d", "open the old database"},
		{"nowhere", "nowhere: there is no such file or folder"},
		{odd, odd + ": there is no hxa-connect.db in this folder"},
	} {
		s, err := importer.Open(t.Context(), test.from, "")
		if err == nil {
			t.Errorf("%s is opened: %v", test.from, s.Close())
		} else if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%s: %v, want %s", test.from, err, test.want)
		}
	}
}
