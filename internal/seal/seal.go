// Package seal encrypts texts that a server must read again, such as secrets of webhooks, so that
// a copy of the database does not reveal them. It uses AES-256-GCM with a key that is kept outside
// the database (package vault). Texts that are only compared are hashed instead (package auth).
//
// A sealed text begins with the id of its key. It is bound to a place, such as a row, and cannot be
// opened for another place. A [Keyring] seals with its first key and opens with any of its keys,
// so that keys can be changed.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// ErrKey reports that the keyring does not have the key of a text.
var ErrKey = errors.New("seal: the keyring does not have the key of this text")

// ErrBroken reports that a text was sealed for another place, or was changed.
var ErrBroken = errors.New("seal: the text was changed, or is of another place")

// Key is 256 random bits. Its printed form is its id.
type Key struct{ bits [32]byte }

// NewKey returns a random key.
func NewKey() (k Key) {
	rand.Read(k.bits[:]) // never returns an error
	return k
}

// ParseKey parses a key of 64 hex characters.
func ParseKey(text string) (k Key, err error) {
	bits, err := hex.DecodeString(text)
	if err != nil || len(bits) != len(k.bits) {
		return Key{}, errors.New("a key is 64 hex characters, such as openssl rand -hex 32 prints")
	}
	copy(k.bits[:], bits)
	return k, nil
}

// ParseKeys parses a list of keys, separated by commas. It may be empty.
func ParseKeys(text string) ([]Key, error) {
	var keys []Key
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		k, err := ParseKey(item)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// Text returns the key itself, to store it.
func (k Key) Text() string { return hex.EncodeToString(k.bits[:]) }

const idSize = 9 // bytes: 12 characters of base64

// ID returns the name of a key: 12 characters of a hash, which do not reveal it.
func (k Key) ID() string { return base64.RawURLEncoding.EncodeToString(k.id()) }

func (k Key) id() []byte {
	sum := sha256.Sum256(append([]byte("b2b key id\x00"), k.bits[:]...))
	return sum[:idSize]
}

// String returns the id.
func (k Key) String() string { return k.ID() }

// GoString returns the id.
func (k Key) GoString() string { return k.ID() }

// Keyring seals with its first key and opens with any of its keys. Goroutines may share it.
type Keyring struct {
	first string // the id of the key that seals
	keys  map[string]cipher.AEAD
}

// New returns a keyring that seals with first.
func New(first Key, others ...Key) *Keyring {
	r := &Keyring{first: string(first.id()), keys: map[string]cipher.AEAD{}}
	for _, k := range append(others, first) {
		block, err := aes.NewCipher(k.bits[:])
		if err != nil {
			panic(fmt.Sprintf("seal: a key of 32 bytes was refused: %v", err))
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			panic(fmt.Sprintf("seal: AES was refused: %v", err))
		}
		r.keys[string(k.id())] = aead
	}
	return r
}

// First returns the id of the key that seals.
func (r *Keyring) First() string { return base64.RawURLEncoding.EncodeToString([]byte(r.first)) }

// SealBytes seals plain for one place.
func (r *Keyring) SealBytes(place string, plain []byte) []byte {
	aead := r.keys[r.first]
	out := make([]byte, idSize, idSize+len(plain)+aead.Overhead())
	copy(out, r.first)
	return aead.Seal(out, nil, plain, []byte(place))
}

// OpenBytes opens a result of SealBytes for the same place.
func (r *Keyring) OpenBytes(place string, sealed []byte) ([]byte, error) {
	if len(sealed) < idSize {
		return nil, ErrBroken
	}
	aead, ok := r.keys[string(sealed[:idSize])]
	if !ok {
		return nil, ErrKey
	}
	plain, err := aead.Open(nil, nil, sealed[idSize:], []byte(place))
	if err != nil {
		return nil, ErrBroken
	}
	return plain, nil
}

// Seal is SealBytes for text. The result begins with the id of the key.
func (r *Keyring) Seal(place, plain string) string {
	return base64.RawURLEncoding.EncodeToString(r.SealBytes(place, []byte(plain)))
}

// Open opens a result of Seal for the same place.
func (r *Keyring) Open(place, sealed string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return "", ErrBroken
	}
	plain, err := r.OpenBytes(place, b)
	return string(plain), err
}
