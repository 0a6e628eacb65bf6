package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
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

// sign sets the headers that say what is delivered and who sends it: those of the
// contract (collaboration.md §17.3) and beside them those of Standard Webhooks. Without
// a secret nothing is signed.
func sign(h http.Header, id, secret string, now time.Time, body []byte) {
	seconds := strconv.FormatInt(now.Unix(), 10)
	h.Set("Webhook-Id", id)
	h.Set("Webhook-Timestamp", seconds)
	if secret == "" {
		return
	}
	ms := strconv.FormatInt(now.UnixMilli(), 10)
	h.Set("X-Hub-Timestamp", ms)
	h.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac([]byte(secret), ms+".", body)))
	h.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac(standardKey(secret), id+"."+seconds+".", body)))
	if printable(secret) {
		h.Set("Authorization", "Bearer "+secret)
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

func mac(key []byte, head string, body []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(head))
	m.Write(body)
	return m.Sum(nil)
}

// printable tells whether a header can carry a secret. Nobody promised that one can.
func printable(secret string) bool {
	return strings.IndexFunc(secret, func(c rune) bool { return c < ' ' || c == 0x7f }) < 0
}
