package files_test

import (
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/google/uuid"

	"github.com/b2b-protocol/b2b/internal/files"
	"github.com/b2b-protocol/b2b/internal/files/filestest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openDisk(t testing.TB, dir string) *files.Disk {
	t.Helper()
	d, err := files.OpenDisk(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDisk(t *testing.T) {
	t.Parallel()
	filestest.Run(t, func(t testing.TB) files.Store { return openDisk(t, filepath.Join(t.TempDir(), "new", "folder")) })
}

// A disk that is full in the middle of an upload: the upload fails, nothing of it is
// left, and there is room for the next one.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir, want := smallDisk(t)
	d := openDisk(t, dir)
	defer func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	big, small := files.Key{Org: uuid.NewString(), File: uuid.NewString()}, files.Key{Org: uuid.NewString(), File: uuid.NewString()}
	if _, err := d.Put(t.Context(), big, strings.NewReader(strings.Repeat("x", 4<<20))); !errors.Is(err, want) {
		t.Fatalf("put: %v, want %v", err, want)
	} else if outage := new(files.Outage); !errors.As(err, &outage) || !outage.Full {
		t.Errorf("put: %v is not a full Outage", err) // B2B-LIM-015
	}
	if _, err := d.Open(t.Context(), big); !errors.Is(err, files.ErrNotFound) {
		t.Errorf("open: %v", err)
	}
	if n, err := d.Tidy(t.Context(), time.Now().Add(time.Hour)); n != 0 || err != nil {
		t.Errorf("%d left to tidy up, %v", n, err)
	}
	if n, err := d.Put(t.Context(), small, strings.NewReader(strings.Repeat("x", 1<<19))); n != 1<<19 || err != nil {
		t.Errorf("put after room was made: %d, %v", n, err)
	}
}

// smallDisk gives a folder in which no more than 1 MiB can be written, and the error
// of trying: a file system of that size, or where that cannot be mounted, the limit of
// the process for its files.
func smallDisk(t *testing.T) (dir string, want error) {
	t.Helper()
	dir = t.TempDir()
	if mounted(t, dir) {
		return dir, syscall.ENOSPC
	}
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 1 << 20, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
			t.Error(err)
		}
		signal.Reset(syscall.SIGXFSZ)
	})
	return dir, syscall.EFBIG
}

// What an upload that was cut off left behind goes once nobody writes to it any more.
func TestDiskTidiesUp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := openDisk(t, dir)
	defer func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	old, young := filepath.Join(dir, "_staging", "old"), filepath.Join(dir, "_staging", "young")
	for _, name := range []string{old, young} {
		if err := os.WriteFile(name, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(old, time.Time{}, time.Now().Add(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if n, err := d.Tidy(t.Context(), time.Now().Add(-time.Hour)); n != 1 || err != nil {
		t.Errorf("tidied up %d, %v", n, err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Errorf("the one under way: %v", err)
	}
}

// What is not where Put would have put it is not the store's: it is neither walked
// over, and so swept, nor followed out of the folder.
func TestDiskLeavesStrangersAlone(t *testing.T) {
	t.Parallel()
	outside, dir := t.TempDir(), t.TempDir()
	d := openDisk(t, dir)
	defer func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	org, file := uuid.NewString(), uuid.NewString()
	for _, name := range []string{
		filepath.Join(outside, file),
		filepath.Join(dir, org, uuid.NewString(), "4a", file+".txt"), // of HXA-Connect
		filepath.Join(dir, file+".txt"), filepath.Join(dir, org, "zz", file), filepath.Join(dir, org, file),
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte("x"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, filepath.Join(dir, org, file[34:])); err != nil {
		t.Fatal(err)
	}
	err := d.Walk(t.Context(), func(org string, page []files.Stored) error {
		t.Errorf("walked over %s %v", org, page)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if o, err := d.Open(t.Context(), files.Key{Org: org, File: file}); err == nil {
		t.Errorf("opened %v through a link", o)
	}
	if err := d.DeleteOrg(t.Context(), org); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(outside, file)); err != nil {
		t.Errorf("deleted through a link: %v", err)
	}
}
