// Package limits holds the sizes and spellings that requests must keep. The numbers come
// from the schema (limits.gen.go); here is how they are counted, and what bot names,
// artifact keys, topics and the content of messages must be besides.
//
// Two units are in use for texts, and the difference shows outside ASCII. "Bytes" are bytes of
// UTF-8: names, profile fields, content types, metadata. "Characters" are UTF-16 code units, as
// JavaScript counts them: content, topics, labels. A limit is always inclusive: a value of exactly
// that size passes.
//
// A value that breaks a rule is refused with a *Violation, which on the wire is a 400
// VALIDATION_ERROR; only a reserved bot name is an error of its own (ErrReservedName). Functions
// that tidy a value (Topic, ThreadTags) return the value to store.
package limits

import (
	"fmt"
	"strings"

	"github.com/b2b-protocol/b2b/internal/jstext"
)

// Violation is a value that breaks a rule. Its text names the field and may be shown to the caller;
// it never quotes the value.
type Violation struct {
	Field   string // as the request spells it: "parts[2].content"
	Problem string // continues a sentence that starts with the field
}

func (v *Violation) Error() string { return v.Field + " " + v.Problem }

func violates(field, format string, args ...any) error {
	return &Violation{Field: field, Problem: fmt.Sprintf(format, args...)}
}

// In puts the name of the enclosing field before that of the violation.
func In(field string, err error) error {
	v, ok := err.(*Violation)
	if !ok {
		return err
	}
	switch {
	case v.Field == "", strings.HasPrefix(v.Field, "["):
		field += v.Field
	default:
		field += "." + v.Field
	}
	return &Violation{Field: field, Problem: v.Problem}
}

// At puts the index of a list element before the field of the violation.
func At(index int, err error) error { return In(fmt.Sprintf("[%d]", index), err) }

// CheckCharacters refuses a text of more than most UTF-16 code units.
func CheckCharacters(field, text string, most int) error {
	if len(text) > most && jstext.Len(text) > most {
		return violates(field, "must be at most %d characters", most)
	}
	return nil
}

// CheckBytes refuses a text of more than most bytes of UTF-8.
func CheckBytes(field, text string, most int) error {
	if len(text) > most {
		return violates(field, "must be at most %d bytes", most)
	}
	return nil
}

// CheckItems refuses a list of more than most elements.
func CheckItems(field string, n, most int) error {
	if n > most {
		return violates(field, "must be at most %d", most)
	}
	return nil
}

// CheckLeast refuses a number below least.
func CheckLeast(field string, n, least int64) error {
	if n < least {
		return violates(field, "must be a whole number of %d or more", least)
	}
	return nil
}

// CheckMost refuses a number above most.
func CheckMost(field string, n, most int64) error {
	if n > most {
		return violates(field, "must be a whole number of %d or less", most)
	}
	return nil
}

// SharedQuery checks the text filter of a list over the whole org; existing clients match the
// words "q too long" (B2B-THR-036, B2B-THR-087).
func SharedQuery(q string) error {
	if jstext.Len(q) > MaxSharedQuery {
		return violates("q", "too long: at most %d characters", MaxSharedQuery)
	}
	return nil
}
