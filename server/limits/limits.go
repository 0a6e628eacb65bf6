// Package limits holds the sizes and spellings that requests must keep: bot names, artifact keys, profile fields,
// topics, labels, tags, message content and its companions.
//
// Two units are in use, and the difference shows outside ASCII. "Bytes" are bytes of UTF-8: names, profile fields,
// content types, metadata. "Characters" are UTF-16 code units, as JavaScript counts them: content, topics, labels.
// A limit is always inclusive: a value of exactly that size passes.
//
// A value that breaks a rule is refused with a *Violation, which on the wire is a 400 VALIDATION_ERROR; only a
// reserved bot name is an error of its own (ErrReservedName). Functions that tidy a value (Topic, ThreadTags) answer
// the value to store.
package limits

import (
	"fmt"

	"github.com/b2b-protocol/b2b/server/jstext"
)

// Violation is a value that breaks a rule. Its text names the field and may be shown to the caller; it never quotes the
// value.
type Violation struct {
	Field   string // as the request spells it
	Problem string // continues a sentence that starts with the field
}

func (v *Violation) Error() string { return v.Field + " " + v.Problem }

func violates(field, format string, args ...any) error {
	return &Violation{Field: field, Problem: fmt.Sprintf(format, args...)}
}

// Limits in UTF-16 code units (collaboration.md §19.2, http-core.md §22; topic, label and key are ours, where the
// contract has none).
const (
	MaxTopic         = 512
	MaxLabel         = 64
	MaxArtifactKey   = 256
	MaxSharedQuery   = 200 // q of a list over the whole org
	MaxInviteLabel   = 256
	MaxPlatformName  = 128 // an org that was created by invite code
	MaxStatusReason  = 500 // why a bot was approved or rejected
	MaxPreview       = 200
	DefaultMaxLength = 65536 // message content, unless the operator says otherwise
)

// CheckCharacters refuses a text of more than most UTF-16 code units.
func CheckCharacters(field, text string, most int) error {
	if len(text) > most && jstext.Len(text) > most {
		return violates(field, "must be at most %d characters", most)
	}
	return nil
}

// SharedQuery checks the text filter of a list over the whole org; existing clients match the words "q too long"
// (collaboration.md §1.6, §10.2).
func SharedQuery(q string) error {
	if jstext.Len(q) > MaxSharedQuery {
		return violates("q", "too long: at most %d characters", MaxSharedQuery)
	}
	return nil
}
