package main

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/b2b-protocol/b2b/internal/files"
	"github.com/b2b-protocol/b2b/internal/files/s3files"
	"github.com/b2b-protocol/b2b/internal/files/s3files/s3test"
	"github.com/b2b-protocol/b2b/internal/waittest"
)

// TestBucket keeps files in an S3 store: they can be read, whole and in ranges, also after a
// restart. While the store fails or does not respond, callers get a retry delay and everything else
// works; nothing has to be restarted afterwards. The files of a destroyed org are deleted
// (B2B-FILE-010, 020, 024, B2B-ORG).
func TestBucket(t *testing.T) {
	t.Parallel()
	var away atomic.Value // how the store fails: a status, or 0 for no answer; nil: not
	_, bucket := s3test.New(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch status, _ := away.Load().(int); status {
			case http.StatusOK:
				next.ServeHTTP(w, r)
			case 0:
				panic(http.ErrAbortHandler)
			default:
				w.WriteHeader(status)
			}
		})
	})
	away.Store(http.StatusOK)
	data, url := t.TempDir(), bucket("files/of-b2b")
	env := []string{"B2B_FILES_URL=" + url, "AWS_ACCESS_KEY_ID=" + s3test.KeyID, "AWS_SECRET_ACCESS_KEY=" + s3test.SecretKey}
	n := serve(t, data, env...)
	org, bots := n.team("writer", "reader")
	writer, reader := bots["writer"], bots["reader"]
	small, large := someBytes(10), someBytes(3_000_000)
	first, second := writer.mustUpload(small), writer.mustUpload(large)
	reader.has(first, small)
	reader.has(second, large)
	for byteRange, want := range map[string][]byte{"bytes=0-99": large[:100], "bytes=2999990-": large[2_999_990:], "bytes=-1": large[2_999_999:], "bytes=1000000-1999999": large[1_000_000:2_000_000]} {
		if status, got := reader.download(second, byteRange); status != http.StatusPartialContent || string(got) != string(want) {
			t.Errorf("%s: %d, %d bytes", byteRange, status, len(got))
		}
	}
	if status, _ := reader.download(second, "bytes=3000000-"); status != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("a range behind the end: %d", status)
	}
	if whole, staged := filesIn(t, data); len(whole)+len(staged) > 0 {
		t.Errorf("on the disk, too: %v, %v", whole, staged)
	}

	for _, status := range []int{http.StatusServiceUnavailable, http.StatusInternalServerError, 0} {
		away.Store(status)
		refused := func(what string, got int, answer map[string]any, header http.Header) {
			t.Helper()
			if got != http.StatusServiceUnavailable || answer["code"] != "UNAVAILABLE" || answer["hint"] == nil || header.Get("Retry-After") == "" {
				t.Errorf("%s while the store says %d: %d %v, Retry-After %q", what, status, got, answer, header.Get("Retry-After"))
			}
		}
		got, answer, header := writer.upload("f", large, "r-1")
		refused("upload", got, answer, header)
		got, answer, header = reader.try("GET", second, nil)
		refused("download", got, answer, header)
		reader.must("GET", second+"/info", nil)
		writer.must("POST", "/api/send", map[string]any{"to": "reader", "content": "goes on"})
		if !n.healthy(t.Context()) {
			t.Error("the server is not healthy")
		}
		away.Store(http.StatusOK)
		reader.has(second, large)
	}
	status, answer, _ := writer.upload("f", large, "r-1")
	if status != http.StatusOK {
		t.Fatalf("upload when the store is back: %d %v", status, answer)
	}
	reader.has(answer["url"].(string), large)
	if logs := n.logs.String(); containsError(logs) {
		t.Errorf("a store that is away is no fault of the server:\n%s", logs)
	}

	n.kill()
	n = serve(t, data, env...)
	for _, bot := range bots {
		bot.url = n.URL
	}
	reader.has(second, large)

	bytes, err := s3files.Open(s3files.Config{URL: url, AccessKeyID: s3test.KeyID, SecretAccessKey: s3test.SecretKey, Spool: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := bytes.Close(); err != nil {
			t.Error(err)
		}
	}()
	stored := func() (all int) {
		err := bytes.Walk(t.Context(), func(_ string, page []files.Stored) error {
			all += len(page)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if got := stored(); got != 3 {
		t.Errorf("%d files are in the bucket, want 3", got)
	}
	operator := n.operator()
	operator.must("DELETE", "/api/orgs/"+org["id"].(string), nil)
	waittest.Until(t, "the files of the org are gone", func() bool { return stored() == 0 })
	if status, _ := reader.download(second, ""); status != http.StatusUnauthorized {
		t.Errorf("a download in an org that is gone: %d", status)
	}
}
