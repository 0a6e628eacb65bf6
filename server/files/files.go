// Package files keeps the bytes of uploaded files, in a folder ([Disk]) or in a bucket
// of an S3-compatible store (package s3files). What is known of a file (its name, type, uploader) is a
// row of the database (store.File); the two meet in the organisation and the id.
//
// # In which order
//
// Bytes come first: [Store.Put] returns when they are durable under their key, and
// only then is the row committed. So a row always has its bytes, whole: there is no
// moment at which half a file could be served. A crash between the two, or a row that
// is refused, leaves bytes that no row names. [Sweep] removes them when they are older
// than any upload that could still commit.
//
// Whoever brings files from elsewhere does the same: Put under the id that the file
// has, then CreateFile with its row.
//
// # Whose they are
//
// The bytes carry the id of the database that they belong to ([Claim]). A server whose
// database has another one does not start: to its sweep, all of them would be orphans.
package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"
)

// ErrNotFound says that there are no bytes under a key.
var ErrNotFound = errors.New("files: no such bytes")

// Outage is the error of a place that does not answer now, not as it should, or has no
// room. What failed with it can be tried again; nothing was stored.
type Outage struct {
	Full bool // there is no room for more; reading goes on
	Err  error
}

func (o *Outage) Error() string { return o.Err.Error() }

func (o *Outage) Unwrap() error { return o.Err }

// Outage is what a caller may be told: what is wrong, what to do, and in how many
// seconds.
func (o *Outage) Outage() (message, hint string, retryAfter int) {
	if o.Full {
		return "The server has no room to keep this file", "Nothing was changed. The operator must make room; try again later.", 10
	}
	return "The place of the files does not answer at the moment", "Nothing was changed. Try again.", 2
}

// Local makes an Outage of an error of writing to a disk that has no room, or fails, and
// leaves others as they are.
func Local(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return &Outage{Full: true, Err: err}
	case errors.Is(err, syscall.EROFS), errors.Is(err, syscall.EIO), errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return &Outage{Err: err}
	}
	return err
}

// Key names the bytes of one file.
type Key struct {
	Org  string
	File string
}

// Check refuses keys that could be read as anything but two names: ids are UUIDs, but
// those of an imported database are whatever stood there.
func (k Key) Check() error {
	if !IsName(k.Org) || !IsName(k.File) {
		return fmt.Errorf("files: %q of %q cannot name bytes: ids are 4 to 64 letters, digits and hyphens", k.File, k.Org)
	}
	return nil
}

// Path is where the bytes lie below the root of a store: one folder an organisation,
// and in it 256 for its files, by the random end of their ids.
func (k Key) Path() string {
	return k.Org + "/" + shard(k.File) + "/" + k.File
}

// ParsePath is Path the other way round; ok is false for what no key has as its path.
func ParsePath(path string) (key Key, ok bool) {
	parts := strings.Split(path, "/")
	if len(parts) != 3 {
		return Key{}, false
	}
	key = Key{parts[0], parts[2]}
	return key, key.Check() == nil && key.Path() == path
}

func shard(file string) string { return strings.ToLower(file[len(file)-2:]) }

// IsName tells whether s can be an id in a [Key].
func IsName(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' {
			return false
		}
	}
	return len(s) >= 4 && len(s) <= 64
}

// Store keeps bytes. Its methods may be called by many goroutines, on many nodes.
type Store interface {
	// Put keeps all that r gives and returns its length once it is durable. Until
	// then nothing is under the key. After an error of r, or of ctx while r is read,
	// nothing is; after any other, all may be there, as an orphan. What was there
	// before is replaced at once, as a whole. An error of r is in the chain of Put's.
	Put(ctx context.Context, key Key, r io.Reader) (int64, error)
	// Open gives the bytes under a key, or ErrNotFound.
	Open(ctx context.Context, key Key) (Object, error)
	// Delete removes bytes; none under the key is no error.
	Delete(ctx context.Context, key Key) error
	// DeleteOrg removes all bytes of an organisation.
	DeleteOrg(ctx context.Context, org string) error
	// Walk calls fn with pages of what is stored, each of one organisation.
	Walk(ctx context.Context, fn func(org string, page []Stored) error) error
	// Tidy removes what uploads that were cut off before the given time left behind
	// beside whole files, and tells how much that was.
	Tidy(ctx context.Context, before time.Time) (int, error)
	// Note reads a short text that SetNote left under a name, empty if none. Names of
	// notes have a dot, so that no organisation is called so.
	Note(ctx context.Context, name string) (string, error)
	SetNote(ctx context.Context, name, text string) error
	// Close frees what the store holds.
	Close() error
	// String says where the bytes are, for people.
	String() string
}

// Object is the bytes of a file, to be read from any place.
type Object interface {
	io.ReadSeekCloser
	Size() int64
}

// Stored is what Walk tells of the bytes of a file.
type Stored struct {
	File string
	At   time.Time // when they were written
}

// PageSize is how much Walk tells at once.
const PageSize = 500

// OwnerNote says whose the bytes are (Claim).
const OwnerNote = "owner.txt"
