package config

import (
	"regexp"
	"strings"
)

var (
	// secretParts are parameters of URLs and connection strings that hold secrets.
	secretParts = regexp.MustCompile(`(?i)((?:pass|pwd|secret|token|key|credential)[a-z_-]*\s*=\s*)('(?:\\.|[^'\\])*(?:'|$)|[^&\s;]+)`)
	// userParts are the credentials before the @ of a URL that is quoted in a sentence.
	userParts = regexp.MustCompile(`[^\s"']+@`)
	// filePath matches the start of a URL that names a file and not a host.
	filePath = regexp.MustCompile(`(?i)^(file|sqlite3?):`)
)

// mask hides the secrets in a URL, even if the URL is invalid.
func mask(address string) string {
	scheme, rest := splitScheme(address)
	host, tail, has := strings.Cut(rest, ":")
	if has && !strings.Contains(rest, "@") && !strings.HasPrefix(host, "[") && !filePath.MatchString(address) && !beginsWithPort(tail) {
		return secretParts.ReplaceAllString(scheme+host, "$1***") + ":***" // a password without an @ after it
	}
	return maskText(address)
}

// maskText hides the secrets in the value of a setting that should have none, such as a URL in the
// wrong variable.
func maskText(value string) string {
	scheme, rest := splitScheme(value)
	if at := strings.LastIndexByte(rest, '@'); at >= 0 { // passwords often contain an @
		user, password, _ := strings.Cut(rest[:at], ":")
		if password == "" { // the user alone may be a password
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

// maskReason hides the secrets in an error message about a URL.
func maskReason(text, password string) string {
	if len(password) >= 4 { // a shorter one occurs in many words
		text = strings.ReplaceAll(text, password, "***")
	}
	return secretParts.ReplaceAllString(userParts.ReplaceAllString(text, "***@"), "$1***")
}

// beginsWithPort reports whether a text begins like what follows the colon of a host.
func beginsWithPort(text string) bool {
	digits := 0
	for digits < len(text) && '0' <= text[digits] && text[digits] <= '9' {
		digits++
	}
	return digits <= 5 && (digits == len(text) || strings.IndexByte("/?#,", text[digits]) >= 0)
}
