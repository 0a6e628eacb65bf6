package rpc_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/intake"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/nettest"
	"github.com/b2b-protocol/b2b/internal/rpc"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
)

// sendings are the ways to send a message of a unary call.
var sendings = map[string]struct {
	headers   []string
	enveloped bool
	gzip      bool
}{
	"connect":           {headers: []string{"Content-Type", "application/proto"}},
	"connect, gzip":     {headers: []string{"Content-Type", "application/proto", "Content-Encoding", "gzip"}, gzip: true},
	"connect+json":      {headers: []string{"Content-Type", "application/json"}},
	"connect+json gzip": {headers: []string{"Content-Type", "application/json; charset=utf-8", "Content-Encoding", "gzip"}, gzip: true},
	"grpc":              {headers: []string{"Content-Type", "application/grpc"}, enveloped: true},
	"grpc, gzip":        {headers: []string{"Content-Type", "application/grpc+proto", "Grpc-Encoding", "gzip"}, enveloped: true, gzip: true},
	"grpc+json":         {headers: []string{"Content-Type", "application/grpc+json"}, enveloped: true},
	"grpc-web":          {headers: []string{"Content-Type", "application/grpc-web+proto"}, enveloped: true},
	"grpc-web, gzip":    {headers: []string{"Content-Type", "application/grpc-web+proto", "Grpc-Encoding", "gzip"}, enveloped: true, gzip: true},
}

// touchy records whether it was read.
type touchy struct {
	io.Reader
	read bool
}

func (r *touchy) Read(p []byte) (int, error) {
	r.read = true
	return r.Reader.Read(p)
}

// binding returns the binding for these tests, without a network.
func binding(budget *intake.Budget) http.Handler {
	known := callers{"bot": {Kind: call.Bot, OrgID: "o1", BotID: "b1", Scopes: call.ScopeFull}}
	s := services()
	return rpc.New(s, s.Operations(), call.NewPipeline(known, slog.New(slog.DiscardHandler), false), call.Edge{}, budget, nil, elsewhere)
}

// post sends one message. It returns "ok" or the code of the ErrorDetail.
func post(t *testing.T, h http.Handler, procedure, kind, token string, message []byte) (got string, read bool) {
	t.Helper()
	k := sendings[kind]
	if k.gzip {
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		if _, err := z.Write(message); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		message = out.Bytes()
	}
	if k.enveloped {
		flag := byte(0)
		if k.gzip {
			flag = 1
		}
		message = append(binary.BigEndian.AppendUint32([]byte{flag}, uint32(len(message))), message...)
	}
	body := &touchy{Reader: bytes.NewReader(message)}
	r := httptest.NewRequest("POST", procedure, body)
	r.ProtoMajor = 2
	for i := 0; i < len(k.headers); i += 2 {
		r.Header.Set(k.headers[i], k.headers[i+1])
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	res := w.Result()
	status := res.Header.Get("Grpc-Status") + res.Trailer.Get("Grpc-Status")
	if k.enveloped && (status == "0" || strings.Contains(w.Body.String(), "grpc-status: 0")) || !k.enveloped && w.Code == 200 {
		return "ok", body.read
	}
	whole := w.Body.String() + fmt.Sprint(res.Header, res.Trailer)
	for _, code := range []connect.Code{connect.CodeUnauthenticated, connect.CodeInvalidArgument, connect.CodeResourceExhausted, connect.CodeUnavailable} {
		if strings.Contains(whole, code.String()) || status == fmt.Sprint(int(code)) {
			return code.String(), body.read
		}
	}
	return fmt.Sprint(w.Code, whole), body.read
}

// In every protocol: nothing is read from a caller who is refused (B2B-HTTP-021); other messages
// are counted before they are decoded (B2B-LIM-031) and inflated to the limit (B2B-LIM-033).
func TestBodies(t *testing.T) {
	t.Parallel()
	h := binding(nil)
	zeros := make([]byte, 3*rpc.MaxMessage)
	for kind := range sendings {
		json := strings.Contains(kind, "json")
		message, many := []byte{10, 1, 't'}, bytes.Repeat([]byte{10, 0}, limits.MaxElements+1)
		if json {
			message, many = []byte(`{"threadId":"t"}`), []byte(`{"threadId":"t","x":[`+strings.Repeat(`"",`, limits.MaxElements)+`""]}`)
		}
		for _, c := range []struct {
			name, procedure, token string
			message                []byte
			want                   string
			read                   bool
		}{
			{"no credential", b2bv1connect.ThreadServiceGetThreadProcedure, "", message, "unauthenticated", false},
			{"a bad token", b2bv1connect.ThreadServiceGetThreadProcedure, "who", message, "unauthenticated", false},
			{"a bot", b2bv1connect.ThreadServiceGetThreadProcedure, "bot", message, "ok", true},
			{"many elements", b2bv1connect.ThreadServiceGetThreadProcedure, "bot", many, "invalid_argument", true},
			{"too large", b2bv1connect.ThreadServiceGetThreadProcedure, "bot", zeros, "resource_exhausted", true},
			{"too large without a credential", b2bv1connect.ThreadServiceGetThreadProcedure, "", zeros, "unauthenticated", false},
			{"too large for a public call", b2bv1connect.AuthServiceLoginProcedure, "", zeros[:rpc.MaxPublicMessage+1], "resource_exhausted", true},
		} {
			got, read := post(t, h, c.procedure, kind, c.token, c.message)
			if got != c.want || read != c.read && c.want != "resource_exhausted" {
				t.Errorf("%s, %s: %s, read: %v; want %s, %v", kind, c.name, got, read, c.want, c.read)
			}
		}
	}
}

// Invalid gzip data and truncated messages are errors of the client.
func TestBrokenBodies(t *testing.T) {
	t.Parallel()
	h := binding(nil)
	for _, c := range []struct{ kind, coding, body string }{
		{"application/proto", "Content-Encoding", "hello"},
		{"application/grpc", "Grpc-Encoding", "\x01\x00\x00\x00\x05hello"},
		{"application/grpc", "", "\x00\x00\x00\x00\x05hel"},
		{"application/grpc", "", "\x00\x00\x00"},
		{"application/grpc", "", "\x00\xff\xff\xff\xffhello"},
		{"application/grpc-web+proto", "", "\x00\x00\x00\x00\x05hel"},
	} {
		r := httptest.NewRequest("POST", b2bv1connect.ThreadServiceGetThreadProcedure, strings.NewReader(c.body))
		r.Header.Set("Content-Type", c.kind)
		r.Header.Set("Authorization", "Bearer bot")
		if c.coding != "" {
			r.Header.Set(c.coding, "gzip")
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		res := w.Result()
		status := res.Header.Get("Grpc-Status") + res.Trailer.Get("Grpc-Status")
		if w.Code != 400 && status != "3" && status != "8" {
			t.Errorf("%s %q: %d, %s", c.kind, c.body, w.Code, status)
		}
	}
}

// A message without room is refused with a retry delay (B2B-LIM-032).
func TestNoRoom(t *testing.T) {
	t.Parallel()
	h := binding(intake.New(intake.Sizes{Share: 32 << 10, Patience: time.Millisecond}, nil))
	var network nettest.Network
	url := network.NewServer(h)
	defer url.Close()
	for name, options := range map[string][]connect.ClientOption{"connect": nil, "grpc-web": {connect.WithGRPCWeb()}, "gzip": {connect.WithSendGzip()}} {
		threads := b2bv1connect.NewThreadServiceClient(url.Client(), url.URL, options...)
		ctx, _ := withHeader(t, "Authorization", "Bearer bot")
		_, err := threads.GetThread(ctx, &b2bv1.GetThreadRequest{ThreadId: strings.Repeat("x", 64<<10)})
		wantError(t, err, connect.CodeResourceExhausted, "Too many large requests of this org or address are in progress", &b2bv1.ErrorDetail{
			Code: b2bv1.ErrorCode_ERROR_CODE_RATE_LIMITED, Hint: ptr("Send fewer large requests at once."), RetryAfter: ptr(int32(1)), Retryable: true,
		})
		ctx, _ = withHeader(t, "Authorization", "Bearer bot")
		if _, err := threads.GetThread(ctx, &b2bv1.GetThreadRequest{ThreadId: "t"}); err != nil {
			t.Errorf("%s: a small one: %v", name, err)
		}
	}
	url.Client().CloseIdleConnections()
}

func ptr[T any](v T) *T { return &v }

// BenchmarkUnary measures the binding and the pipeline, without a network or a service.
func BenchmarkUnary(b *testing.B) {
	h := binding(nil)
	message := bytes.NewReader(nil)
	r := httptest.NewRequest("POST", b2bv1connect.ThreadServiceGetThreadProcedure, nil)
	r.Header.Set("Authorization", "Bearer bot")
	r.Header.Set("Content-Type", "application/proto")
	r.Body = io.NopCloser(message)
	b.ReportAllocs()
	for b.Loop() {
		message.Reset([]byte{10, 1, 't'})
		r.ContentLength = 3
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 200 {
			b.Fatal(w.Code, w.Body)
		}
	}
}
