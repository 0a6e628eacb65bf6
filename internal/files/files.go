// Package files stores the bytes of uploaded files, in a folder ([Disk]) or in a bucket of an
// S3-compatible store (package s3files). The name, type and uploader of a file are a row of the
// database (store.File). Bytes and row have the same org and id.
//
// # Order of writes
//
// Bytes come first: [Store.Put] returns when they are durable, and only then the row is
// committed. So a row always has all its bytes, and half a file is never served. After a crash
// between the two, or when the row is refused, no row names the bytes: they are orphans. [Sweep]
// removes orphans that are older than any upload that could still commit.
//
// An importer does the same: Put under the id of the file, then CreateFile.
//
// # Owner
//
// The store of the bytes has a note with the id of its database ([Claim]). A server with another
// database does not start, because its Sweep would remove all of the files as orphans.
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

// ErrNotFound reports that there are no bytes under a key.
var ErrNotFound = errors.New("files: no such bytes")

// Outage is the error of a store that does not respond, fails, or is full. Nothing was stored,
// and the call can be repeated later.
type Outage struct {
	Full bool // the disk or bucket is full; reads still work
	Err  error
}

func (o *Outage) Error() string { return o.Err.Error() }

func (o *Outage) Unwrap() error { return o.Err }

// Outage returns the texts for clients: what is wrong, what to do, and the seconds to wait
// before a retry.
func (o *Outage) Outage() (message, hint string, retryAfter int) {
	if o.Full {
		return "The server has no room to keep this file", "Nothing was changed. The operator must make room; try again later.", 10
	}
	return "The place of the files does not answer at the moment", "Nothing was changed. Try again.", 2
}

// Local turns an error of a full or failing disk into an Outage, and returns others unchanged.
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

// Check refuses keys that are not safe as file names. Ids are UUIDs, but those of an imported
// database can be any text.
func (k Key) Check() error {
	if !IsName(k.Org) || !IsName(k.File) {
		return fmt.Errorf("files: %q of %q cannot name bytes: ids are 4 to 64 letters, digits and hyphens", k.File, k.Org)
	}
	return nil
}

// Path returns the path of the bytes below the root of a store: a folder for each org, with 256
// folders for its files, by the last two characters of their ids, which are random.
func (k Key) Path() string {
	return k.Org + "/" + shard(k.File) + "/" + k.File
}

// ParsePath returns the key of a path; ok is false if Path returns this path for no key.
func ParsePath(path string) (key Key, ok bool) {
	parts := strings.Split(path, "/")
	if len(parts) != 3 {
		return Key{}, false
	}
	key = Key{parts[0], parts[2]}
	return key, key.Check() == nil && key.Path() == path
}

func shard(file string) string { return strings.ToLower(file[len(file)-2:]) }

// IsName reports whether s can be an id in a [Key].
func IsName(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' {
			return false
		}
	}
	return len(s) >= 4 && len(s) <= 64
}

// Store stores bytes. Its methods are safe for concurrent use, also by several nodes.
type Store interface {
	// Put stores all bytes of r and returns their number once they are durable. Until
	// then nothing is under the key. After an error of r, or of ctx while r is read,
	// nothing is; after any other, all may be there, as an orphan. What was there
	// before is replaced at once, as a whole. An error of r is in the chain of Put's.
	Put(ctx context.Context, key Key, r io.Reader) (int64, error)
	// Open returns the bytes under a key, or ErrNotFound.
	Open(ctx context.Context, key Key) (Object, error)
	// Delete removes bytes; none under the key is no error.
	Delete(ctx context.Context, key Key) error
	// DeleteOrg removes all bytes of an org.
	DeleteOrg(ctx context.Context, org string) error
	// Walk calls fn with pages of what is stored, each of one org.
	Walk(ctx context.Context, fn func(org string, page []Stored) error) error
	// Tidy removes what uploads that were cut off before the given time left behind
	// beside whole files, and returns their number.
	Tidy(ctx context.Context, before time.Time) (int, error)
	// Note reads a short text that SetNote left under a name, empty if none. Names of
	// notes have a dot, so that no org is called so.
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

// Stored describes the bytes of a file in Walk.
type Stored struct {
	File string
	At   time.Time // when they were written
}

// PageSize bounds the entries of a page of Walk.
const PageSize = 500

// OwnerNote is the name of the note with the id of the database (Claim).
const OwnerNote = "owner.txt"
