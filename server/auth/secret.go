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

// The prefixes that tell the kinds of secrets apart (B2B-AUTH-053).
const (
	botPrefix    = "bot_"
	scopedPrefix = "scoped_"
	ticketPrefix = "tkt_"
	invitePrefix = "hxa_"
)

// NewBotToken makes a primary token: "bot_" and 48 hex characters.
func NewBotToken() string { return checked(botPrefix + random(20)) }

// NewScopedToken makes a scoped token: "scoped_" and 48 hex characters.
func NewScopedToken() string { return checked(scopedPrefix + random(20)) }

// NewOrgSecret makes an org secret: 48 hex characters.
func NewOrgSecret() string { return checked(random(20)) }

// checked ends a secret with the CRC-32 of what it is so far, so that whoever finds or
// types one can tell a real one without asking (B2B-TOK-006).
func checked(text string) string {
	return fmt.Sprintf("%s%08x", text, crc32.ChecksumIEEE([]byte(text)))
}

// Mistyped tells of a text that looks like a token of a bot that its checksum does not
// fit. It proves nothing: tokens of other servers, which are imported, have none.
func Mistyped(token string) bool {
	body := len(token) - 8
	for _, prefix := range []string{botPrefix, scopedPrefix} {
		if strings.HasPrefix(token, prefix) {
			return body < len(prefix) || checked(token[:body]) != token
		}
	}
	return false
}

// NewTicketCode makes the code of an org ticket: "tkt_" and 16 hex characters.
func NewTicketCode() string { return ticketPrefix + random(8) }

// NewInviteCode makes a platform invite code: "hxa_" and 16 hex characters.
func NewInviteCode() string { return invitePrefix + random(8) }

// NewSessionID makes the value of a session cookie: 64 hex characters.
func NewSessionID() string { return random(32) }

// NewWsTicket makes a ticket of a WebSocket connection: 48 hex characters.
func NewWsTicket() string { return random(24) }

func random(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails, by its contract
	return hex.EncodeToString(b)
}

// Hash is how a secret rests in the store: its SHA-256 in hex. The secrets are
// random, so no salt is needed.
func Hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// Matches tells whether a secret has this hash, in a time that does not depend on
// where they differ.
func Matches(secret, hash string) bool {
	return subtle.ConstantTimeCompare([]byte(Hash(secret)), []byte(hash)) == 1
}

// OfBot reports whether a text has the form of a bot's token, here or in HXA-Connect.
func OfBot(text string) bool {
	return strings.HasPrefix(text, botPrefix) || strings.HasPrefix(text, scopedPrefix) || strings.HasPrefix(text, "agent_")
}

// SessionRef is the public handle of a session: 16 hex characters, the same for an id on
// every server. The id has 256 random bits, so the ref is of no use for guessing it, and
// it depends on no other secret (B2B-AUTH-070).
func SessionRef(id string) string { return Hash("session ref\x00" + id)[:16] }
