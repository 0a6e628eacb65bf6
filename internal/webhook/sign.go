package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// deliveryID returns the id of the delivery of an event to a bot. It depends only on the bot and
// the position after the event, so it is the same at every attempt, after a crash and on
// another node (B2B-HOOK-010).
func deliveryID(bot, cursor string) string {
	var buf [160]byte
	b := append(buf[:0], "b2b webhook\x00"...)
	b = append(append(append(b, bot...), 0), cursor...)
	sum := sha256.Sum256(b)
	id := uuid.UUID(sum[:16])
	id[6] = id[6]&0x0f | 0x80 // version 8: custom
	id[8] = id[8]&0x3f | 0x80
	return id.String()
}

// signer writes the headers with the id and the signatures of a delivery: those of HXA-Connect
// (B2B-HOOK-004) and of Standard Webhooks (B2B-HOOK-005). Without a secret it does not sign. One
// goroutine at a time may use it.
type signer struct {
	hub, standard hash.Hash // nil: do not sign
	bearer        string    // empty: a header cannot have the secret
	sum           [sha256.Size]byte
	head          []byte // what is signed before the body; a reused buffer
}

// newSigner returns a signer for the secret of a webhook; "": none.
func newSigner(secret string) *signer {
	if secret == "" {
		return &signer{}
	}
	s := &signer{hub: hmac.New(sha256.New, []byte(secret)), standard: hmac.New(sha256.New, standardKey(secret))}
	if printable(secret) {
		s.bearer = "Bearer " + secret
	}
	return s
}

// setHeaders sets the headers that all deliveries share.
func (s *signer) setHeaders(h http.Header) {
	if s.bearer != "" {
		h.Set("Authorization", s.bearer)
	}
}

// appendTo appends the headers of one delivery, as they are sent. id must be valid in a header.
func (s *signer) appendTo(b []byte, id string, now time.Time, body []byte) []byte {
	b = append(append(append(b, "Webhook-Id: "...), id...), "\r\nWebhook-Timestamp: "...)
	b = append(strconv.AppendInt(b, now.Unix(), 10), "\r\n"...)
	if s.hub == nil {
		return b
	}
	s.head = append(strconv.AppendInt(s.head[:0], now.UnixMilli(), 10), '.')
	b = append(append(b, "X-Hub-Timestamp: "...), s.head[:len(s.head)-1]...)
	b = hex.AppendEncode(append(b, "\r\nX-Hub-Signature-256: sha256="...), s.mac(s.hub, body))
	s.head = append(append(s.head[:0], id...), '.')
	s.head = append(strconv.AppendInt(s.head, now.Unix(), 10), '.')
	b = base64.StdEncoding.AppendEncode(append(b, "\r\nWebhook-Signature: v1,"...), s.mac(s.standard, body))
	return append(b, "\r\n"...)
}

// mac signs head and body.
func (s *signer) mac(m hash.Hash, body []byte) []byte {
	m.Reset()
	m.Write(s.head)
	m.Write(body)
	return m.Sum(s.sum[:0])
}

// standardKey returns the key of a Standard Webhooks signature: the decoded bytes of a secret
// whsec_<base64>, else the bytes of the secret.
func standardKey(secret string) []byte {
	if text, ok := strings.CutPrefix(secret, "whsec_"); ok {
		if key, err := base64.StdEncoding.DecodeString(text); err == nil {
			return key
		}
	}
	return []byte(secret)
}

// printable reports whether a header can have a secret, which may have any characters.
func printable(secret string) bool {
	return strings.IndexFunc(secret, func(c rune) bool { return c < ' ' || c == 0x7f }) < 0
}
