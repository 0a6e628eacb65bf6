package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// TestFilesThroughTheGoClient uploads and downloads over Connect, gRPC and gRPC-web, and compares
// every byte with the original and with REST (B2B-FILE-027).
func TestFilesThroughTheGoClient(t *testing.T) {
	t.Parallel()
	n := serve(t, t.TempDir())
	_, bots := n.team("worker")
	worker := bots["worker"]
	worker.quota(400)
	ctx := t.Context()
	h2 := &http.Transport{Protocols: new(http.Protocols)}
	h2.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(h2.CloseIdleConnections)
	for name, opts := range map[string][]b2b.Option{
		"Connect":           nil,
		"Connect on HTTP/2": {b2b.WithHTTPClient(&http.Client{Transport: h2})},
		"Connect with JSON": {b2b.WithConnect(connect.WithProtoJSON())},
		"gRPC":              {b2b.WithHTTPClient(&http.Client{Transport: h2}), b2b.WithConnect(connect.WithGRPC())},
		"gRPC-web":          {b2b.WithConnect(connect.WithGRPCWeb())},
	} {
		t.Run(name, func(t *testing.T) {
			c := b2b.New(n.URL, append(opts, b2b.WithToken(worker.token))...)
			for _, size := range []int{0, 1, 3071, 3072, 64<<10 - 1, 64 << 10, 64<<10 + 1, 1<<20 + 1, 3_000_001} {
				data := someBytes(size)
				about := &b2bv1.UploadFileRequest{Name: proto.String("naïve 表.csv"), MimeType: proto.String("text/csv")}
				file, err := c.UploadFile(ctx, about, bytes.NewReader(data))
				if err != nil {
					t.Fatalf("%d bytes: %v", size, err)
				}
				if file.GetName() != "naïve 表.csv" || file.GetMimeType() != "text/csv" || file.GetSize() != int64(size) {
					t.Errorf("%d bytes: %v", size, file)
				}
				var got bytes.Buffer
				for _, named := range []string{file.GetId(), file.GetUrl()} {
					got.Reset()
					again, err := c.DownloadFile(ctx, named, &got)
					if err != nil || !proto.Equal(again, file) || !bytes.Equal(got.Bytes(), data) {
						t.Errorf("%s: %d of %d bytes, %v, %v", named, got.Len(), size, again, err)
					}
				}
				worker.has(file.GetUrl(), data)
			}
			url := worker.mustUpload([]byte("over REST"))
			var got strings.Builder
			if _, err := c.DownloadFile(ctx, url, &got); err != nil || got.String() != "over REST" {
				t.Errorf("what was uploaded over REST: %q, %v", got.String(), err)
			}
			refusals(t, c)
		})
	}
}

// refusals checks the errors of uploads and downloads.
func refusals(t *testing.T, c *b2b.Client) {
	ctx := t.Context()
	named := func(id string) *b2bv1.UploadFileRequest {
		return &b2bv1.UploadFileRequest{Name: proto.String("a"), RequestId: proto.String(t.Name() + id)}
	}
	big := bytes.Repeat([]byte("x"), 2<<20)
	for what, c := range map[string]struct {
		do   func() error
		want b2bv1.ErrorCode
	}{
		"a type that is not taken": {func() error {
			_, err := c.UploadFile(ctx, named("1"), io.MultiReader(strings.NewReader("PK\x03\x04\x14\x00\x00\x00"), bytes.NewReader(big)))
			return err
		}, b2bv1.ErrorCode_ERROR_CODE_UNSUPPORTED_MEDIA_TYPE},
		"no name": {func() error {
			_, err := c.UploadFile(ctx, &b2bv1.UploadFileRequest{}, bytes.NewReader(big))
			return err
		}, b2bv1.ErrorCode_ERROR_CODE_UPLOAD_ERROR},
		"an unknown file": {func() error {
			_, err := c.DownloadFile(ctx, "/api/files/unknown", io.Discard)
			return err
		}, b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND},
		"another file under the same request id": {func() error {
			if _, err := c.UploadFile(ctx, named("2"), strings.NewReader("one")); err != nil {
				return err
			}
			if _, err := c.UploadFile(ctx, named("2"), strings.NewReader("one")); err != nil {
				return err
			}
			_, err := c.UploadFile(ctx, named("2"), strings.NewReader("other"))
			return err
		}, b2bv1.ErrorCode_ERROR_CODE_IDEMPOTENCY_KEY_REUSED},
	} {
		if err := c.do(); b2b.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want %s", what, err, c.want)
		}
	}

	broken := errors.New("broken")
	_, err := c.UploadFile(ctx, named("3"), io.MultiReader(bytes.NewReader(big), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) {
		t.Errorf("a reader that fails: %v", err)
	}
	file, err := c.UploadFile(ctx, named("3"), bytes.NewReader(big)) // nothing was kept of the first try
	if err != nil {
		t.Fatalf("after a reader that failed: %v", err)
	}
	if _, err := c.DownloadFile(ctx, file.GetId(), failingWriter{broken}); !errors.Is(err, broken) {
		t.Errorf("a writer that fails: %v", err)
	}
	gone, cancel := context.WithCancel(ctx)
	_, err = c.UploadFile(gone, named("4"), io.MultiReader(bytes.NewReader(big), readerFunc(func([]byte) (int, error) {
		cancel()
		return 1, nil
	})))
	if connect.CodeOf(err) != connect.CodeCanceled {
		t.Errorf("an upload that was given up: %v", err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestStreamsCarryTheToken opens the two streams that only read, which need the token.
func TestStreamsCarryTheToken(t *testing.T) {
	t.Parallel()
	n := serve(t, t.TempDir())
	_, bots := n.team("a", "b")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := b2b.New(n.URL, b2b.WithToken(bots["b"].token))
	events, err := c.Events.Subscribe(ctx, &b2bv1.SubscribeRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if !events.Receive() { // the first message has the position of the stream
		t.Fatalf("no event stream: %v", events.Err())
	}
	bots["a"].must("POST", "/api/send", map[string]any{"to": "b", "content": "hello"})
	for events.Receive() {
		if m := events.Msg().GetEvent().GetMessage(); m != nil {
			if text := fmt.Sprint(m); !strings.Contains(text, "hello") {
				t.Errorf("received: %s", text)
			}
			break
		}
	}
	if err := events.Err(); err != nil {
		t.Error(err)
	}
	cancel()
	if err := events.Close(); err != nil && !errors.Is(err, context.Canceled) {
		t.Logf("closed: %v", err)
	}
	if _, err := b2b.New(n.URL).DownloadFile(t.Context(), "x", io.Discard); b2b.CodeOf(err) != b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED {
		t.Errorf("without a token: %v", err)
	}
}

// TestBombInAMessage sends messages that are small until they are decompressed. They are refused,
// and occupy no memory (B2B-FILE-027).
func TestBombInAMessage(t *testing.T) {
	t.Parallel()
	n := serve(t, t.TempDir())
	_, bots := n.team("worker")
	h2 := &http.Transport{Protocols: new(http.Protocols)}
	h2.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(h2.CloseIdleConnections)
	zeros := make([]byte, 64<<20)
	message := &b2bv1.UploadFileRequest{Name: proto.String("a"), Data: zeros}
	packed := connect.WithAcceptCompression("gzip", func() connect.Decompressor { return new(gzip.Reader) }, compressed(t, message))
	before := n.rss()
	for name, opts := range map[string][]b2b.Option{
		"Connect": {b2b.WithConnect(packed, connect.WithSendGzip())},
		"gRPC":    {b2b.WithConnect(packed, connect.WithSendGzip(), connect.WithGRPC()), b2b.WithHTTPClient(&http.Client{Transport: h2})},
	} {
		out, err := b2b.New(n.URL, append(opts, b2b.WithToken(bots["worker"].token))...).Files.UploadFile(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := out.Send(message); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if _, err := out.CloseAndReceive(); b2b.CodeOf(err) != b2bv1.ErrorCode_ERROR_CODE_PAYLOAD_TOO_LARGE {
			t.Errorf("%s: %v", name, err)
		}
	}
	if grown := n.rss() - before; grown > len(zeros)/2 {
		t.Errorf("a message of %d MiB holds %d MiB", len(zeros)>>20, grown>>20)
	}
}

// compressed returns compressors that have compressed m before: the server gives an upload a time,
// in which a busy client would compress.
func compressed(t *testing.T, m proto.Message) func() connect.Compressor {
	t.Helper()
	raw, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return func() connect.Compressor { return &precompressor{bytes: out.Bytes()} }
}

// precompressor writes the same bytes for each message.
type precompressor struct {
	to    io.Writer
	bytes []byte
}

func (p *precompressor) Reset(to io.Writer)            { p.to = to }
func (p *precompressor) Write(raw []byte) (int, error) { return len(raw), nil }

func (p *precompressor) Close() error {
	_, err := p.to.Write(p.bytes)
	return err
}
