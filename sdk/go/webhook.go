package b2b

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
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
//
// A request without the header webhook-signature is verified by X-Hub-Signature-256, which covers
// no id: the id is that signature, and a retry has another (B2B-SDK-035).
func VerifyWebhook(h http.Header, body []byte, secret string, now time.Time, further ...string) (id string, err error) {
	verify := verifyStandard
	if h.Get("Webhook-Signature") == "" {
		verify = verifyHub
	}
	for _, secret := range append([]string{secret}, further...) {
		if id := verify(h, body, secret, now); id != "" && secret != "" {
			return id, nil
		}
	}
	return "", ErrWebhook
}

// verifyStandard returns the id of a delivery that is signed with a secret, else "" (B2B-HOOK-005).
func verifyStandard(h http.Header, body []byte, secret string, now time.Time) string {
	id, stamp := h.Get("Webhook-Id"), h.Get("Webhook-Timestamp")
	if seconds, ok := parseStamp(stamp); !ok || now.Sub(time.Unix(seconds, 0)).Abs() > WebhookTolerance {
		return ""
	}
	want := sign(webhookKey(secret), id+"."+stamp+".", body)
	for signature := range strings.FieldsSeq(h.Get("Webhook-Signature")) {
		text, ok := strings.CutPrefix(signature, "v1,")
		if !ok {
			continue
		}
		if got, err := base64.StdEncoding.DecodeString(text); err == nil && hmac.Equal(got, want) {
			return id
		}
	}
	return ""
}

// verifyHub returns the signature of a delivery that is signed with a secret, else ""
// (B2B-HOOK-004).
func verifyHub(h http.Header, body []byte, secret string, now time.Time) string {
	signature, stamp := h.Get("X-Hub-Signature-256"), h.Get("X-Hub-Timestamp")
	if millis, ok := parseStamp(stamp); !ok || now.Sub(time.UnixMilli(millis)).Abs() > WebhookTolerance {
		return ""
	}
	want := "sha256=" + hex.EncodeToString(sign([]byte(secret), stamp+".", body))
	if !hmac.Equal([]byte(signature), []byte(want)) {
		return ""
	}
	return signature
}

// parseStamp returns the number that a text of at most 15 digits has.
func parseStamp(text string) (n int64, ok bool) {
	if len(text) > 15 || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

// sign returns the HMAC-SHA256 of a head and a body.
func sign(key []byte, head string, body []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(head))
	m.Write(body)
	return m.Sum(nil)
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
