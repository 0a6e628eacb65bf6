package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"strings"
)

// The prefixes of the kinds of secrets (B2B-AUTH-053).
const (
	botPrefix    = "bot_"
	scopedPrefix = "scoped_"
	ticketPrefix = "tkt_"
	invitePrefix = "hxa_"
)

// NewBotToken returns a new primary token: "bot_" and 48 hex characters.
func NewBotToken() string { return withChecksum(botPrefix + random(20)) }

// NewScopedToken returns a new scoped token: "scoped_" and 48 hex characters.
func NewScopedToken() string { return withChecksum(scopedPrefix + random(20)) }

// NewOrgSecret returns a new org secret: 48 hex characters.
func NewOrgSecret() string { return withChecksum(random(20)) }

// withChecksum appends the CRC-32 of a secret to it, so that secret scanners and clients can
// recognise a real or mistyped one without a request (B2B-TOK-006).
func withChecksum(text string) string {
	return fmt.Sprintf("%s%08x", text, crc32.ChecksumIEEE([]byte(text)))
}

// ChecksumFails reports whether a text has the prefix of a bot's token and a wrong checksum.
// Such a token may still be valid: imported tokens of other servers have no checksum.
func ChecksumFails(token string) bool {
	body := len(token) - 8
	for _, prefix := range []string{botPrefix, scopedPrefix} {
		if strings.HasPrefix(token, prefix) {
			return body < len(prefix) || withChecksum(token[:body]) != token
		}
	}
	return false
}

// NewTicketCode returns a new code of an org ticket: "tkt_" and 16 hex characters.
func NewTicketCode() string { return ticketPrefix + random(8) }

// NewInviteCode returns a new platform invite code: "hxa_" and 16 hex characters.
func NewInviteCode() string { return invitePrefix + random(8) }

// NewSessionID returns a new value of a session cookie: 64 hex characters.
func NewSessionID() string { return random(32) }

// NewWsTicket returns a new ticket of a WebSocket connection: 48 hex characters.
func NewWsTicket() string { return random(24) }

func random(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails, by its contract
	return hex.EncodeToString(b)
}

// Hash returns the SHA-256 of a secret in hex, which the store keeps in its place. The secrets
// are random, so that they need no salt.
func Hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// Matches reports whether a secret has this hash. Its time does not depend on where the hashes
// differ.
func Matches(secret, hash string) bool {
	return subtle.ConstantTimeCompare([]byte(Hash(secret)), []byte(hash)) == 1
}

// IsBotToken reports whether a text has the prefix of a bot's token of this server or of
// HXA-Connect.
func IsBotToken(text string) bool {
	return strings.HasPrefix(text, botPrefix) || strings.HasPrefix(text, scopedPrefix) || strings.HasPrefix(text, "agent_")
}

// SessionRef returns the public handle of a session id: 16 hex characters that depend on the
// id alone. The id has 256 random bits, so that the handle does not help to guess it
// (B2B-AUTH-070).
func SessionRef(id string) string { return Hash("session ref\x00" + id)[:16] }
