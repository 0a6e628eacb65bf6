package limits

import (
	"errors"
	"strings"
)

// ErrReservedName is a bot name that means everybody in a mention; its wire code is RESERVED_NAME.
var ErrReservedName = errors.New("name is reserved")

// BotName checks the name of a bot: letters, digits, `_` and `-` of ASCII, 1 to MaxBotName
// bytes, and not `all` in any case (B2B-REG-003, B2B-REG-004), nor of the form of an id:
// a message to the id of a deleted bot must not reach another bot of that name
// (B2B-BOT-040). The checks come in the order of B2B-BOT-011: missing, characters, reserved,
// length.
func BotName(name string) error {
	switch {
	case name == "":
		return violates("name", "is required")
	case strings.ContainsFunc(name, notNameRune):
		return violates("name", "may only contain A-Z, a-z, 0-9, _ and -")
	case strings.EqualFold(name, "all"):
		return ErrReservedName
	case LikeID(name):
		return violates("name", "must not have the form of an id (a UUID)")
	case len(name) > MaxBotName:
		return violates("name", "must be at most %d bytes", MaxBotName)
	}
	return nil
}

// LikeID reports whether a text has the form of an id: a UUID with or without its hyphens, in any
// case.
func LikeID(text string) bool {
	if len(text) != 36 && len(text) != 32 {
		return false
	}
	for i := range len(text) {
		c := text[i]
		if len(text) == 36 && (i == 8 || i == 13 || i == 18 || i == 23) {
			if c != '-' {
				return false
			}
			continue
		}
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	return true
}

func notNameRune(r rune) bool { return !alphanumeric(r) && r != '_' && r != '-' }

func alphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// ArtifactKey checks the key of an artifact: letters, digits and `.`, `_`, `~`, `-` of ASCII,
// at least one and at most MaxArtifactKey bytes (B2B-ART-003).
func ArtifactKey(key string) error {
	switch {
	case key == "" || strings.ContainsFunc(key, notKeyRune):
		return violates("artifact_key", "must be one or more of A-Z, a-z, 0-9, ., _, ~ and -")
	case len(key) > MaxArtifactKey:
		return violates("artifact_key", "must be at most %d characters", MaxArtifactKey)
	}
	return nil
}

// NewArtifactKey checks the key of an artifact that is made: that of [ArtifactKey], but not
// "." and "..", which clients take out of a URL before they send it (B2B-ART-003).
func NewArtifactKey(key string) error {
	if key == "." || key == ".." {
		return violates("artifact_key", "must not be . or .., which a URL cannot name")
	}
	return ArtifactKey(key)
}

func notKeyRune(r rune) bool {
	return !alphanumeric(r) && r != '.' && r != '_' && r != '~' && r != '-'
}
