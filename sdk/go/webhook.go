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

// WebhookTolerance is the greatest allowed difference between the time in a webhook request and
// the time of the receiver.
const WebhookTolerance = 5 * time.Minute

// ErrWebhook reports that a webhook request has no valid signature, or that its time is outside
// WebhookTolerance.
var ErrWebhook = errors.New("b2b: the webhook's signature or time is not valid")

// VerifyWebhook checks that a request with these headers and this exact body was signed with the
// webhook secret of the bot, at most WebhookTolerance before or after now. It returns the id of
// the delivery. The receiver must ignore an id that it has processed before: that is a retry or a
// replay. Signatures are compared in constant time. While one secret replaces another, further may
// have the other. [ParseEvent] reads the body.
func VerifyWebhook(h http.Header, body []byte, secret string, now time.Time, further ...string) (id string, err error) {
	id, stamp := h.Get("Webhook-Id"), h.Get("Webhook-Timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || id == "" || now.Sub(time.Unix(seconds, 0)).Abs() > WebhookTolerance {
		return "", ErrWebhook
	}
	for _, secret := range append([]string{secret}, further...) {
		if secret != "" && signed(h, id+"."+stamp+".", body, secret) {
			return id, nil
		}
	}
	return "", ErrWebhook
}

// signed reports whether a request has a signature with a secret.
func signed(h http.Header, head string, body []byte, secret string) bool {
	m := hmac.New(sha256.New, webhookKey(secret))
	m.Write([]byte(head))
	m.Write(body)
	want := m.Sum(nil)
	for signature := range strings.FieldsSeq(h.Get("Webhook-Signature")) {
		text, ok := strings.CutPrefix(signature, "v1,")
		if !ok {
			continue
		}
		if got, err := base64.StdEncoding.DecodeString(text); err == nil && hmac.Equal(got, want) {
			return true
		}
	}
	return false
}

// webhookKey returns the key of a secret: the decoded part of whsec_<base64>, else its bytes.
func webhookKey(secret string) []byte {
	if text, ok := strings.CutPrefix(secret, "whsec_"); ok {
		if key, err := base64.StdEncoding.DecodeString(text); err == nil {
			return key
		}
	}
	return []byte(secret)
}
