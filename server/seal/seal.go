// Package seal keeps texts that a server has to read again (secrets of webhooks, codes that
// a list shows) so that the database alone does not give them away: AES-256-GCM under a key
// that lies elsewhere (package vault finds it). What is only compared is hashed instead
// (package auth).
//
// A sealed text says which key it needs and is good in one place only: it is bound to a
// word about where it stands, and is refused anywhere else. A [Ring] seals under its first
// key and opens under any: that is how keys are changed.
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

// ErrKey says that a text is sealed under a key that the ring does not have.
var ErrKey = errors.New("seal: the key of this text is not there")

// ErrBroken says that a text was sealed elsewhere, or was changed since.
var ErrBroken = errors.New("seal: not as it was sealed")

// Key is 256 random bits. It prints as its id, never as itself.
type Key struct{ bits [32]byte }

// NewKey makes a key.
func NewKey() (k Key) {
	rand.Read(k.bits[:]) // never fails, by its contract
	return k
}

// ParseKey reads a key from 64 hex characters.
func ParseKey(text string) (k Key, err error) {
	bits, err := hex.DecodeString(text)
	if err != nil || len(bits) != len(k.bits) {
		return Key{}, errors.New("a key is 64 hex characters, as openssl rand -hex 32 makes them")
	}
	copy(k.bits[:], bits)
	return k, nil
}

// ParseKeys reads a list of keys with commas between; an empty text has none.
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

// Text is the key itself, for the place where it is kept.
func (k Key) Text() string { return hex.EncodeToString(k.bits[:]) }

const idSize = 9 // bytes: 12 characters of base64

// ID names a key and tells nothing of it: 12 characters of a hash.
func (k Key) ID() string { return base64.RawURLEncoding.EncodeToString(k.id()) }

func (k Key) id() []byte {
	sum := sha256.Sum256(append([]byte("b2b key id\x00"), k.bits[:]...))
	return sum[:idSize]
}

// String is the id.
func (k Key) String() string { return k.ID() }

// GoString is the id, too.
func (k Key) GoString() string { return k.ID() }

// Ring seals under its first key and opens under any. It may be used by many goroutines.
type Ring struct {
	first string // the id of the key that seals
	keys  map[string]cipher.AEAD
}

// New makes a ring that seals under first.
func New(first Key, others ...Key) *Ring {
	r := &Ring{first: string(first.id()), keys: map[string]cipher.AEAD{}}
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

// First is the id of the key that seals.
func (r *Ring) First() string { return base64.RawURLEncoding.EncodeToString([]byte(r.first)) }

// SealBytes seals plain for one place.
func (r *Ring) SealBytes(place string, plain []byte) []byte {
	aead := r.keys[r.first]
	out := make([]byte, idSize, idSize+len(plain)+aead.Overhead())
	copy(out, r.first)
	return aead.Seal(out, nil, plain, []byte(place))
}

// OpenBytes opens what SealBytes made for the place.
func (r *Ring) OpenBytes(place string, sealed []byte) ([]byte, error) {
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

// Seal is SealBytes as text. It begins with the id of the key.
func (r *Ring) Seal(place, plain string) string {
	return base64.RawURLEncoding.EncodeToString(r.SealBytes(place, []byte(plain)))
}

// Open opens what Seal made for the place.
func (r *Ring) Open(place, sealed string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return "", ErrBroken
	}
	plain, err := r.OpenBytes(place, b)
	return string(plain), err
}
