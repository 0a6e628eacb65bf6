package config

import (
	"regexp"
	"strings"
)

// secretParts are parameters of addresses and connection texts that hold secrets.
var secretParts = regexp.MustCompile(`(?i)((?:pass|pwd|secret|token|key|credential)[a-z_-]*\s*=\s*)('[^']*'|[^&\s;]+)`)

// mask takes the secrets out of an address, also out of one that cannot be read.
func mask(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if ok {
		scheme += "://"
	} else {
		scheme, rest = "", address
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 { // passwords with an @ in them are common
		user, _, has := strings.Cut(rest[:at], ":")
		if has {
			rest = user + ":***" + rest[at:]
		}
	} else if host, tail, has := strings.Cut(rest, ":"); has && !strings.HasPrefix(host, "[") && !beginsWithPort(tail) {
		rest = host + ":***" // a password whose @ is missing
	}
	return secretParts.ReplaceAllString(scheme+rest, "$1***")
}

// beginsWithPort reports whether a text begins as what stands behind the colon of a host.
func beginsWithPort(text string) bool {
	digits := 0
	for digits < len(text) && '0' <= text[digits] && text[digits] <= '9' {
		digits++
	}
	return digits <= 5 && (digits == len(text) || strings.IndexByte("/?#,", text[digits]) >= 0)
}
