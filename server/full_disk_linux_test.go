package server_test

import (
	"errors"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"connectrpc.com/connect"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
	"github.com/b2b-protocol/b2b/server"
)

// TestUploadsWithoutRoom checks that uploads to a full disk get a retry delay, over every binding;
// existing files can be read, and a file that fits is accepted (B2B-LIM-015).
func TestUploadsWithoutRoom(t *testing.T) {
	t.Parallel()
	small := t.TempDir()
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=1m,mode=0700"); err != nil {
		t.Skipf("a small file system cannot be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(small, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	n := newLiveNode(t, func(c *server.Config) { c.FilesDir = small })
	o := n.newOrg(t, "own")
	large := strings.Repeat("x", 2<<20)
	for range 2 {
		a := n.send(o.member, "POST", "/api/files/upload", form(nil, "text/plain", large))
		if a.status != 503 || a.code() != "UNAVAILABLE" || a.header.Get("Retry-After") != "10" || !strings.Contains(a.body, "no room") {
			t.Errorf("over REST: %v, Retry-After %q", a, a.header.Get("Retry-After"))
		}
	}
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	for name, options := range map[string][]connect.ClientOption{"Connect": nil, "gRPC": {connect.WithGRPC()}, "gRPC-web": {connect.WithGRPCWeb()}} {
		client := b2bv1connect.NewFileServiceClient(&http.Client{Transport: transport}, n.url, options...)
		ctx, info := connect.NewClientContext(t.Context())
		info.RequestHeader().Set("Authorization", o.member.header.Get("Authorization"))
		stream, err := client.UploadFile(ctx)
		if err != nil {
			t.Fatal(err)
		}
		err = stream.Send(&b2bv1.UploadFileRequest{Name: new("a.txt"), MimeType: new("text/plain")})
		for at := 0; err == nil && at < len(large); at += 64 << 10 {
			err = stream.Send(&b2bv1.UploadFileRequest{Data: []byte(large[at : at+64<<10])})
		}
		_, err = stream.CloseAndReceive()
		var refused *connect.Error
		if !errors.As(err, &refused) || refused.Code() != connect.CodeUnavailable || !strings.Contains(refused.Message(), "no room") {
			t.Errorf("over %s: %v", name, err)
		} else if !comesBack(refused) {
			t.Errorf("over %s: not when to come back: %v", name, refused)
		}
	}
	if a := n.send(o.member, "GET", "/api/files/"+o.at["file"], nil); a.status != 200 {
		t.Errorf("reading a file: %v", a)
	}
	if a := n.send(o.member, "POST", "/api/files/upload", form(nil, "text/plain", "short")); a.status != 200 {
		t.Errorf("a file for which there is room: %v", a)
	}
}

// comesBack reports whether an error has a retry delay.
func comesBack(err *connect.Error) bool {
	for _, d := range err.Details() {
		if v, err := d.Value(); err == nil {
			if e, ok := v.(*b2bv1.ErrorDetail); ok && e.GetRetryAfter() == 10 {
				return true
			}
		}
	}
	return false
}
