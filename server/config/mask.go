package config

import (
	"regexp"
	"strings"
)

var (
	// secretParts are parameters of addresses and connection texts that hold secrets.
	secretParts = regexp.MustCompile(`(?i)((?:pass|pwd|secret|token|key|credential)[a-z_-]*\s*=\s*)('(?:\\.|[^'\\])*(?:'|$)|[^&\s;]+)`)
	// userParts are what stands before the @ of an address that is quoted in a sentence.
	userParts = regexp.MustCompile(`[^\s"']+@`)
	// filePath begins what names a file and no host.
	filePath = regexp.MustCompile(`(?i)^(file|sqlite3?):`)
)

// mask takes the secrets out of an address, also out of one that cannot be read.
func mask(address string) string {
	scheme, rest := splitScheme(address)
	host, tail, has := strings.Cut(rest, ":")
	if has && !strings.Contains(rest, "@") && !strings.HasPrefix(host, "[") && !filePath.MatchString(address) && !beginsWithPort(tail) {
		return secretParts.ReplaceAllString(scheme+host, "$1***") + ":***" // a password whose @ is missing
	}
	return maskText(address)
}

// maskText takes the secrets out of the value of a setting that should hold none: of an
// address that was put in the wrong place.
func maskText(value string) string {
	scheme, rest := splitScheme(value)
	if at := strings.LastIndexByte(rest, '@'); at >= 0 { // passwords with an @ in them are common
		user, password, _ := strings.Cut(rest[:at], ":")
		if password == "" { // what stands alone may be a password as well
			rest = "***" + rest[at:]
		} else {
			rest = user + ":***" + rest[at:]
		}
	}
	return secretParts.ReplaceAllString(scheme+rest, "$1***")
}

func splitScheme(address string) (scheme, rest string) {
	if scheme, rest, ok := strings.Cut(address, "://"); ok {
		return scheme + "://", rest
	}
	return "", address
}

// maskReason takes the secrets out of a sentence that says what is wrong with an address.
func maskReason(text, password string) string {
	if len(password) >= 4 { // a shorter one is in half of all words
		text = strings.ReplaceAll(text, password, "***")
	}
	return secretParts.ReplaceAllString(userParts.ReplaceAllString(text, "***@"), "$1***")
}

// beginsWithPort reports whether a text begins as what stands behind the colon of a host.
func beginsWithPort(text string) bool {
	digits := 0
	for digits < len(text) && '0' <= text[digits] && text[digits] <= '9' {
		digits++
	}
	return digits <= 5 && (digits == len(text) || strings.IndexByte("/?#,", text[digits]) >= 0)
}
