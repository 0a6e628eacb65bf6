// Package filestest is the suite that every implementation of files.Store must pass.
package filestest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/uuid"

	"github.com/b2b-protocol/b2b/internal/files"
)

// Run runs the suite; open returns a fresh, empty store, which the suite closes.
func Run(t *testing.T, open func(t testing.TB) files.Store) {
	t.Helper()
	for _, c := range []struct {
		name string
		run  func(*testing.T, files.Store)
	}{
		{"what was put is there, whole", testRoundTrip},
		{"a reader that fails leaves nothing", testFailingReader},
		{"putting again replaces as a whole", testReplace},
		{"parallel puts do not meet", testParallel},
		{"any part can be read", testSeek},
		{"deleting", testDelete},
		{"deleting an organisation", testDeleteOrg},
		{"walking", testWalk},
		{"keys that are no names are refused", testBadKeys},
		{"notes", testNotes},
		{"cancelling an upload", testCancel},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
			c.run(t, s)
		})
	}
}

func newKey() files.Key { return files.Key{Org: uuid.NewString(), File: uuid.NewString()} }

func put(t testing.TB, s files.Store, key files.Key, data string) {
	t.Helper()
	n, err := s.Put(t.Context(), key, strings.NewReader(data))
	if err != nil || n != int64(len(data)) {
		t.Fatalf("put %d bytes: %d, %v", len(data), n, err)
	}
}

// get reads all under a key.
func get(t testing.TB, s files.Store, key files.Key) string {
	t.Helper()
	o, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	data, err := io.ReadAll(o)
	if err = errors.Join(err, o.Close()); err != nil {
		t.Fatalf("read: %v", err)
	}
	if o.Size() != int64(len(data)) {
		t.Errorf("size %d of %d bytes", o.Size(), len(data))
	}
	return string(data)
}

func missing(t testing.TB, s files.Store, key files.Key) {
	t.Helper()
	if o, err := s.Open(t.Context(), key); !errors.Is(err, files.ErrNotFound) {
		t.Errorf("open: %v, %v, want ErrNotFound", o, err)
	}
}

// stored lists the entries of Walk as org/file.
func stored(t testing.TB, s files.Store) []string {
	t.Helper()
	var all []string
	err := s.Walk(t.Context(), func(org string, page []files.Stored) error {
		for _, f := range page {
			if age := time.Since(f.At); age < -time.Minute || age > time.Minute {
				t.Errorf("written %s ago", age)
			}
			all = append(all, org+"/"+f.File)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("walk: %v", err)
	}
	slices.Sort(all)
	return all
}

func testRoundTrip(t *testing.T, s files.Store) {
	for _, size := range []int{0, 1, 64<<10 - 1, 64 << 10, 3<<20 + 7} {
		key, data := newKey(), strings.Repeat("0123456789abcdef", size/16+1)[:size]
		missing(t, s, key)
		put(t, s, key, data)
		if got := get(t, s, key); got != data {
			t.Errorf("%d bytes came back as %d, or others", size, len(got))
		}
		missing(t, s, files.Key{Org: key.File, File: key.Org})
	}
}

func testFailingReader(t *testing.T, s files.Store) {
	broken := errors.New("broken")
	for _, before := range []int{0, 10, 200 << 10} {
		key := newKey()
		_, err := s.Put(t.Context(), key, io.MultiReader(bytes.NewReader(make([]byte, before)), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) {
			t.Errorf("put: %v, want the reader's error", err)
		}
		missing(t, s, key)
	}
	if left := stored(t, s); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if n, err := s.Tidy(t.Context(), time.Now().Add(time.Hour)); n != 0 || err != nil {
		t.Errorf("a failed put left %d things to tidy up, %v", n, err)
	}
}

func testReplace(t *testing.T, s files.Store) {
	key := newKey()
	put(t, s, key, strings.Repeat("old", 1000))
	o, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
	put(t, s, key, "new")
	if got := get(t, s, key); got != "new" {
		t.Errorf("got %q", got)
	}
}

func testParallel(t *testing.T, s files.Store) {
	org := uuid.NewString()
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			key := files.Key{Org: org, File: fmt.Sprintf("%s-%02d", uuid.NewString()[:8], i%4)} // shards are shared
			data := strings.Repeat(key.File, 20_000)
			if n, err := s.Put(t.Context(), key, iotest.HalfReader(strings.NewReader(data))); err != nil || n != int64(len(data)) {
				t.Errorf("put: %d, %v", n, err)
				return
			}
			if got := get(t, s, key); got != data {
				t.Error("other bytes came back")
			}
		})
	}
	wg.Wait()
	if n := len(stored(t, s)); n != 16 {
		t.Errorf("%d stored", n)
	}
}

func testSeek(t *testing.T, s files.Store) {
	key, data := newKey(), strings.Repeat("0123456789", 30_000)
	put(t, s, key, data)
	o, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, c := range []struct {
		offset int64
		whence int
		at     int64
	}{{0, io.SeekEnd, 300_000}, {0, io.SeekStart, 0}, {250_003, io.SeekStart, 250_003}, {-7, io.SeekEnd, 299_993}, {17, io.SeekStart, 17}} {
		at, err := o.Seek(c.offset, c.whence)
		if err != nil || at != c.at {
			t.Fatalf("seek: %d, %v, want %d", at, err, c.at)
		}
		got := make([]byte, min(100, 300_000-at))
		if _, err := io.ReadFull(o, got); err != nil || string(got) != data[at:][:len(got)] {
			t.Errorf("at %d: %q, %v", at, got, err)
		}
	}
}

func testDelete(t *testing.T, s files.Store) {
	key, kept := newKey(), newKey()
	kept.Org = key.Org
	put(t, s, key, "a")
	put(t, s, kept, "b")
	for range 2 { // the second time there is nothing
		if err := s.Delete(t.Context(), key); err != nil {
			t.Errorf("delete: %v", err)
		}
		missing(t, s, key)
	}
	if got := get(t, s, kept); got != "b" {
		t.Errorf("the other: %q", got)
	}
}

func testDeleteOrg(t *testing.T, s files.Store) {
	org, other := uuid.NewString(), newKey()
	put(t, s, other, "kept")
	for range 20 {
		put(t, s, files.Key{Org: org, File: uuid.NewString()}, "x")
	}
	for _, name := range []string{org, org, "..", ".", "", "../" + other.Org, other.Org[:8]} {
		if err := s.DeleteOrg(t.Context(), name); err != nil {
			t.Errorf("delete %q: %v", name, err)
		}
	}
	if got, want := stored(t, s), []string{other.Org + "/" + other.File}; !slices.Equal(got, want) {
		t.Errorf("left: %v, want %v", got, want)
	}
	put(t, s, files.Key{Org: org, File: uuid.NewString()}, "again")
}

func testWalk(t *testing.T, s files.Store) {
	if got := stored(t, s); len(got) != 0 {
		t.Errorf("at first: %v", got)
	}
	var want []string
	for i := range 30 {
		key := newKey()
		if i%3 > 0 {
			key.Org = strings.SplitN(want[i-1], "/", 2)[0]
		}
		put(t, s, key, "x")
		want = append(want, key.Org+"/"+key.File)
	}
	if err := s.SetNote(t.Context(), "note.txt", "mark"); err != nil {
		t.Fatal(err)
	}
	got := stored(t, s)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	enough := errors.New("enough")
	if err := s.Walk(t.Context(), func(string, []files.Stored) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("the error of fn: %v", err)
	}
	if n, err := s.Tidy(t.Context(), time.Now().Add(time.Hour)); n != 0 || err != nil {
		t.Errorf("tidying up took %d, %v", n, err)
	}
	if got := stored(t, s); !slices.Equal(got, want) {
		t.Error("tidying up took files")
	}
}

func testBadKeys(t *testing.T, s files.Store) {
	good := uuid.NewString()
	for _, bad := range []string{"", ".", "..", "../../etc/passwd", "a/b", "abc", `a\b\c`, "a\x00bc", "ümläüt", "_staging", "owner.txt", strings.Repeat("a", 65)} {
		for _, key := range []files.Key{{Org: bad, File: good}, {Org: good, File: bad}} {
			if _, err := s.Put(t.Context(), key, strings.NewReader("x")); err == nil {
				t.Errorf("%q was stored", key)
			}
			missing(t, s, key)
			if err := s.Delete(t.Context(), key); err == nil {
				t.Errorf("%q was deleted", key)
			}
		}
	}
	if got := stored(t, s); len(got) != 0 {
		t.Errorf("stored: %v", got)
	}
	put(t, s, files.Key{Org: good, File: strings.Repeat("A", 64)}, "x") // as far as it goes
}

func testNotes(t *testing.T, s files.Store) {
	for _, want := range []string{"", "one", "two"} {
		if want != "" {
			if err := s.SetNote(t.Context(), "a.txt", want); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := s.Note(t.Context(), "a.txt"); got != want || err != nil {
			t.Errorf("note %q, %v, want %q", got, err, want)
		}
		if got, err := s.Note(t.Context(), "b.txt"); got != "" || err != nil {
			t.Errorf("another note is %q, %v", got, err)
		}
	}
}

func testCancel(t *testing.T, s files.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	key := newKey()
	_, err := s.Put(ctx, key, io.MultiReader(strings.NewReader("half"), readerFunc(func(p []byte) (int, error) {
		cancel()
		return copy(p, " a file"), nil
	})))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("put: %v", err)
	}
	missing(t, s, key)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
