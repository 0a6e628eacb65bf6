package b2b

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// WebhookTolerance is how far the time of a webhook request may be from the receiver's.
const WebhookTolerance = 5 * time.Minute

// ErrWebhook says that a request is no webhook of the server, or no longer one.
var ErrWebhook = errors.New("b2b: the webhook's signature or time is not valid")

// VerifyWebhook checks that a request with these headers and this very body was signed
// with the bot's webhook secret, at most WebhookTolerance before or after now, and gives
// the id of the delivery. A receiver drops an id that it had before: that is a retry, or
// a replay. The comparison takes the same time whatever is wrong.
func VerifyWebhook(h http.Header, body []byte, secret string, now time.Time) (id string, err error) {
	id, stamp := h.Get("Webhook-Id"), h.Get("Webhook-Timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || id == "" || secret == "" || now.Sub(time.Unix(seconds, 0)).Abs() > WebhookTolerance {
		return "", ErrWebhook
	}
	m := hmac.New(sha256.New, webhookKey(secret))
	m.Write([]byte(id + "." + stamp + "."))
	m.Write(body)
	want := m.Sum(nil)
	for signature := range strings.FieldsSeq(h.Get("Webhook-Signature")) {
		text, ok := strings.CutPrefix(signature, "v1,")
		if !ok {
			continue
		}
		if got, err := base64.StdEncoding.DecodeString(text); err == nil && hmac.Equal(got, want) {
			return id, nil
		}
	}
	return "", ErrWebhook
}

// webhookKey is what a secret of the form whsec_<base64> decodes to, else its bytes.
func webhookKey(secret string) []byte {
	if text, ok := strings.CutPrefix(secret, "whsec_"); ok {
		if key, err := base64.StdEncoding.DecodeString(text); err == nil {
			return key
		}
	}
	return []byte(secret)
}
