// Package s3test is an S3 store in this process, for tests: gofakes3, behind a check of
// signatures, which gofakes3 does not look at.
package s3test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// What the fake knows.
const (
	Bucket    = "test-bucket"
	KeyID     = "AKIDTEST"
	SecretKey = "not/so+secret"
)

// New starts a store with an empty bucket and returns its address, and what the URL of
// the bucket with a prefix is. Each request passes through the given handlers first.
func New(t testing.TB, through ...func(http.Handler) http.Handler) (address string, bucket func(prefix string) string) {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket(Bucket); err != nil {
		t.Fatal(err)
	}
	h := signed(gofakes3.New(backend, gofakes3.WithoutVersioning()).Server())
	for _, f := range through {
		h = f(h)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL, func(prefix string) string {
		return "s3://" + Bucket + "/" + prefix + "?path_style=true&endpoint=" + url.QueryEscape(s.URL)
	}
}

// signed refuses what is not signed with the secret key (AWS Signature Version 4), or
// has another body than was signed.
func signed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client has gone
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if code := check(r, body); code != "" {
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, code)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// check returns the error code of the refusal.
func check(r *http.Request, body []byte) string {
	fields := map[string]string{}
	kind, list, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	for field := range strings.SplitSeq(list, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		fields[name] = value
	}
	scope := strings.Split(fields["Credential"], "/")
	if kind != "AWS4-HMAC-SHA256" || len(scope) != 5 {
		return "AccessDenied"
	}
	if scope[0] != KeyID {
		return "InvalidAccessKeyId"
	}
	sum := r.Header.Get("X-Amz-Content-Sha256")
	if sum != "UNSIGNED-PAYLOAD" && sum != hexSum(body) {
		return "XAmzContentSHA256Mismatch"
	}
	names := strings.Split(fields["SignedHeaders"], ";")
	if !slices.Contains(names, "host") || !slices.Contains(names, "x-amz-content-sha256") {
		return "SignatureDoesNotMatch"
	}
	var headers strings.Builder
	for _, name := range names {
		value := strings.Join(r.Header.Values(name), ",")
		if name == "host" {
			value = r.Host
		}
		headers.WriteString(name + ":" + strings.TrimSpace(value) + "\n")
	}
	query := strings.ReplaceAll(r.URL.Query().Encode(), "+", "%20")
	canonical := strings.Join([]string{r.Method, r.URL.EscapedPath(), query, headers.String(), fields["SignedHeaders"], sum}, "\n")
	text := strings.Join([]string{kind, r.Header.Get("X-Amz-Date"), strings.Join(scope[1:], "/"), hexSum([]byte(canonical))}, "\n")
	key := []byte("AWS4" + SecretKey)
	for _, part := range append(scope[1:], text) {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	if hex.EncodeToString(key) != fields["Signature"] {
		return "SignatureDoesNotMatch"
	}
	return ""
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
