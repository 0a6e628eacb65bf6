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

// deliveryID names the delivery of an event to a bot. It is a function of the bot and of
// the position behind the event, so that it is the same at every attempt, after a crash
// and on another node (B2B-HOOK-010).
func deliveryID(bot, cursor string) string {
	var room [160]byte
	b := append(room[:0], "b2b webhook\x00"...)
	b = append(append(append(b, bot...), 0), cursor...)
	sum := sha256.Sum256(b)
	id := uuid.UUID(sum[:16])
	id[6] = id[6]&0x0f | 0x80 // version 8: made by a rule of one's own
	id[8] = id[8]&0x3f | 0x80
	return id.String()
}

// signer writes the headers that name the delivery and sign it: those of HXA-Connect
// (B2B-HOOK-004) and those of Standard Webhooks (B2B-HOOK-005). Without a secret nothing is
// signed. One goroutine uses it at a time.
type signer struct {
	hub, standard hash.Hash // nil: nothing is signed
	bearer        string    // empty: no header can carry the secret
	sum           [sha256.Size]byte
	head          []byte // what is signed before the body; room for the next
}

// newSigner signs with the secret of a webhook, if that has one.
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

// same sets the headers that are those of every delivery.
func (s *signer) same(h http.Header) {
	if s.bearer != "" {
		h.Set("Authorization", s.bearer)
	}
}

// appendTo appends those of one delivery as they are sent. id must be one that a header
// can carry.
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

// standardKey is the key of a Standard Webhooks signature: what a secret of the form
// whsec_<base64> says, else the bytes of the secret.
func standardKey(secret string) []byte {
	if text, ok := strings.CutPrefix(secret, "whsec_"); ok {
		if key, err := base64.StdEncoding.DecodeString(text); err == nil {
			return key
		}
	}
	return []byte(secret)
}

// printable tells whether a header can carry a secret. Nobody promised that one can.
func printable(secret string) bool {
	return strings.IndexFunc(secret, func(c rune) bool { return c < ' ' || c == 0x7f }) < 0
}
