package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/files"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// openFiles returns an empty store of bytes.
func openFiles(t testing.TB) files.Store {
	t.Helper()
	d, err := files.OpenDisk(t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// pieces returns a stream of messages.
func pieces(all ...*b2bv1.UploadFileRequest) func() (*b2bv1.UploadFileRequest, error) {
	return func() (*b2bv1.UploadFileRequest, error) {
		if len(all) == 0 {
			return nil, io.EOF
		}
		m := all[0]
		all = all[1:]
		return m, nil
	}
}

func named(name, kind string) *b2bv1.UploadFileRequest {
	return &b2bv1.UploadFileRequest{Name: &name, MimeType: &kind}
}

func data(text string) *b2bv1.UploadFileRequest { return &b2bv1.UploadFileRequest{Data: []byte(text)} }

// B2B-FILE-027: reading an upload returns the bytes that were sent, whatever the sizes of the
// messages and of the reads, and wherever the head ends.
func TestUploadReads(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("0123456789", 1000)
	for _, sizes := range [][]int{{10_000}, {1, 9_999}, {0, 3071, 0, 1, 6_928}, {3072, 6_928}, {3000, 100, 0, 6_900}} {
		all, at := []*b2bv1.UploadFileRequest{named("a.txt", "text/plain")}, 0
		for _, n := range sizes {
			all = append(all, data(text[at:at+n]))
			at += n
		}
		u := newUpload(pieces(all...), 10_000)
		if err := u.begin(); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(io.MultiReader(u))
		if err != nil || string(got) != text || u.n != 10_000 {
			t.Errorf("pieces of %v: %d bytes, %v", sizes, len(got), err)
		}
	}
}

func TestUploadRefusals(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		next func() (*b2bv1.UploadFileRequest, error)
		want b2bv1.ErrorCode
	}{
		"no file":            {pieces(), b2bv1.ErrorCode_ERROR_CODE_VALIDATION_ERROR},
		"only a request id":  {pieces(&b2bv1.UploadFileRequest{RequestId: proto.String("r")}), b2bv1.ErrorCode_ERROR_CODE_VALIDATION_ERROR},
		"long request id":    {pieces(&b2bv1.UploadFileRequest{RequestId: proto.String(strings.Repeat("r", 129))}), b2bv1.ErrorCode_ERROR_CODE_VALIDATION_ERROR},
		"empty name":         {pieces(named("", "text/plain")), b2bv1.ErrorCode_ERROR_CODE_VALIDATION_ERROR},
		"type not accepted":  {pieces(named("a", "text/html")), b2bv1.ErrorCode_ERROR_CODE_UNSUPPORTED_MEDIA_TYPE},
		"bytes before name":  {pieces(data("x")), b2bv1.ErrorCode_ERROR_CODE_UPLOAD_ERROR},
		"two files":          {pieces(named("a", ""), data("x"), named("b", "")), b2bv1.ErrorCode_ERROR_CODE_UPLOAD_ERROR},
		"one byte too large": {pieces(named("a", ""), data("12345"), data("678901")), b2bv1.ErrorCode_ERROR_CODE_FILE_TOO_LARGE},
		"not a text":         {pieces(named("a", ""), data("PK\x03\x04\x00\x00")), b2bv1.ErrorCode_ERROR_CODE_UNSUPPORTED_MEDIA_TYPE},
	} {
		u := newUpload(c.next, 10)
		err := u.begin()
		if e, _ := call.AsError(err); err == nil || e.Code != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	u := newUpload(func() (*b2bv1.UploadFileRequest, error) { return nil, broken }, 10)
	if err := u.begin(); !errors.Is(err, broken) || !errors.Is(u.err, broken) {
		t.Errorf("broken stream: %v", err)
	}
	u = newUpload(pieces(named("a", ""), data("1234567890")), 10)
	if err := u.begin(); err != nil || u.kind != "text/plain" {
		t.Errorf("of the largest allowed size: %v", err)
	}
}

// B2B-FILE-010, B2B-LIM-020: the gate never exceeds its limits, in all, for an org and for a bot,
// and lets every upload in eventually.
func TestGate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		var in, most, passed atomic.Int64
		var wg sync.WaitGroup
		for i := range 300 {
			wg.Go(func() {
				leave, err := g.enter(t.Context(), &call.Caller{OrgID: fmt.Sprint("org", i%2), BotID: fmt.Sprint("bot", i%6)})
				if err != nil {
					t.Error(err)
					return
				}
				n := in.Add(1)
				for was := most.Load(); n > was && !most.CompareAndSwap(was, n); was = most.Load() {
				}
				time.Sleep(time.Millisecond)
				in.Add(-1)
				passed.Add(1)
				leave()
			})
		}
		wg.Wait()
		if passed.Load() != 300 || most.Load() > uploadsAtOnce || g.orgs.InUse("org0") != 0 || g.bots.InUse("bot0") != 0 {
			t.Errorf("%d passed, at most %d at once", passed.Load(), most.Load())
		}
	})
}

// B2B-LIM-020: uploads of another org do not wait while one org uses all places that it can get.
func TestGateIsFair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		begin := time.Now()
		var in atomic.Int64
		for i := range uploadsAtOnce {
			go func() {
				_, err := g.enter(t.Context(), &call.Caller{OrgID: "busy", BotID: fmt.Sprint("bot", i/uploadsAtOnceOfBot)})
				if err == nil {
					in.Add(1)
				} else if e, _ := call.AsError(err); e.Code != b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE || e.RetryAfter != 10 {
					t.Errorf("beyond the share: %v", err)
				}
			}()
		}
		synctest.Wait()
		if n := in.Load(); n != uploadsAtOnce/2 {
			t.Errorf("one org has %d uploads at once, want %d", n, uploadsAtOnce/2)
		}
		for i := range uploadsAtOnceOfBot {
			leave, err := g.enter(t.Context(), &call.Caller{OrgID: "other", BotID: "one"})
			if err != nil {
				t.Fatalf("upload %d of another org: %v", i, err)
			}
			defer leave()
		}
		if passed := time.Since(begin); passed > 0 {
			t.Errorf("another org waited %v", passed)
		}
		disconnected, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := g.enter(disconnected, &call.Caller{OrgID: "other", BotID: "one"}); !errors.Is(err, context.Canceled) {
			t.Errorf("a client that disconnected: %v", err)
		}
		time.Sleep(uploadWait)
		synctest.Wait()
	})
}

// A repeated upload is recognised by its bytes, not only by its name and type.
func TestUploadRequest(t *testing.T) {
	t.Parallel()
	request := func(text string) []byte {
		u := newUpload(pieces(named("a.txt", "text/plain"), data(text)), 10)
		if err := u.begin(); err != nil {
			t.Fatal(err)
		}
		b, err := proto.MarshalOptions{Deterministic: true}.Marshal(u.request())
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if !bytes.Equal(request("same"), request("same")) || bytes.Equal(request("same"), request("other")) {
		t.Error("requests of equal uploads differ, or those of different uploads are equal")
	}
}
