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

	"github.com/b2b-protocol/b2b/server/eventlog"
)

// deliveryID names the delivery of an event to a bot. It is a function of the two, so
// that it is the same at every attempt, after a crash and on another node (B2B-HOOK-010).
func deliveryID(bot string, p eventlog.Position) string {
	sum := sha256.Sum256([]byte("b2b webhook\x00" + bot + "\x00" + p.String()))
	id := uuid.UUID(sum[:16])
	id[6] = id[6]&0x0f | 0x80 // version 8: made by a rule of one's own
	id[8] = id[8]&0x3f | 0x80
	return id.String()
}

// signer signs what is posted to one webhook. One goroutine uses it at a time.
type signer struct {
	hub, standard hash.Hash // nil: nothing is signed
	bearer        []string  // nil: no header can carry the secret
}

// newSigner signs with the secret of a webhook, if that has one.
func newSigner(secret string) *signer {
	if secret == "" {
		return &signer{}
	}
	s := &signer{hub: hmac.New(sha256.New, []byte(secret)), standard: hmac.New(sha256.New, standardKey(secret))}
	if printable(secret) {
		s.bearer = []string{"Bearer " + secret}
	}
	return s
}

// sign sets the headers that say what is delivered and who sends it: those of the
// contract (collaboration.md §17.3) and beside them those of Standard Webhooks. Without
// a secret nothing is signed.
func (s *signer) sign(h http.Header, id string, now time.Time, body []byte) {
	seconds := strconv.FormatInt(now.Unix(), 10)
	h["Webhook-Id"] = []string{id}
	h["Webhook-Timestamp"] = []string{seconds}
	if s.hub == nil {
		return
	}
	ms := strconv.FormatInt(now.UnixMilli(), 10)
	h["X-Hub-Timestamp"] = []string{ms}
	h["X-Hub-Signature-256"] = []string{"sha256=" + hex.EncodeToString(mac(s.hub, ms+".", body))}
	h["Webhook-Signature"] = []string{"v1," + base64.StdEncoding.EncodeToString(mac(s.standard, id+"."+seconds+".", body))}
	if s.bearer != nil {
		h["Authorization"] = s.bearer
	}
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

func mac(m hash.Hash, head string, body []byte) []byte {
	m.Reset()
	m.Write([]byte(head))
	m.Write(body)
	return m.Sum(nil)
}

// printable tells whether a header can carry a secret. Nobody promised that one can.
func printable(secret string) bool {
	return strings.IndexFunc(secret, func(c rune) bool { return c < ' ' || c == 0x7f }) < 0
}
