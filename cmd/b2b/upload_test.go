package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const uploadPath = "/api/files/upload"

// someBytes returns random bytes, which are no known file type.
func someBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails
	copy(b, "bytes: ")
	return b
}

// form returns an upload of one file.
func form(t testing.TB, name string, data []byte, requestID string) (contentType string, body []byte) {
	t.Helper()
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	if requestID != "" {
		if err := w.WriteField("request_id", requestID); err != nil {
			t.Fatal(err)
		}
	}
	part, err := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {fmt.Sprintf("form-data; name=\"file\"; filename=%q", name)}, "Content-Type": {"text/plain"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), buf.Bytes()
}

// upload sends a file; status 0 means no response.
func (c *client) upload(name string, data []byte, requestID string) (int, map[string]any, http.Header) {
	c.t.Helper()
	kind, body := form(c.t, name, data, requestID)
	req, err := http.NewRequest(http.MethodPost, c.url+uploadPath, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("Authorization", "Bearer "+c.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, nil
	}
	defer res.Body.Close()
	var answer map[string]any
	if json.NewDecoder(res.Body).Decode(&answer) != nil {
		return 0, nil, nil
	}
	return res.StatusCode, answer, res.Header
}

// mustUpload sends a file that must be accepted, and returns its url.
func (c *client) mustUpload(data []byte) string {
	c.t.Helper()
	status, answer, _ := c.upload("f", data, "")
	if status != http.StatusOK {
		c.t.Fatalf("upload of %d bytes: %d %v", len(data), status, answer)
	}
	return answer["url"].(string)
}

// download gets a file, or a range of it.
func (c *client) download(path, byteRange string) (int, []byte) {
	c.t.Helper()
	req, err := http.NewRequest(http.MethodGet, c.url+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if byteRange != "" {
		req.Header.Set("Range", byteRange)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return res.StatusCode, body
}

// has checks that a file exists completely.
func (c *client) has(path string, want []byte) {
	c.t.Helper()
	if status, got := c.download(path, ""); status != http.StatusOK || !bytes.Equal(got, want) {
		c.t.Errorf("%s: %d with %d bytes, want all %d of what was uploaded", path, status, len(got), len(want))
	}
}

// quota sets the daily upload quota of each bot of the org, in MiB. c is an admin.
func (c *client) quota(mib int) {
	c.t.Helper()
	c.must("PATCH", "/api/org/settings", map[string]any{"file_upload_mb_per_day_per_bot": mib})
}

// spent checks how much of its quota a bot has used, to the byte, by using the rest.
func (c *client) spent(used, quota int) {
	c.t.Helper()
	if status, answer, _ := c.upload("rest", someBytes(quota-used+1), ""); status != http.StatusTooManyRequests {
		c.t.Errorf("an upload of one byte more than is left of the quota: %d %v", status, answer)
	}
	if status, answer, _ := c.upload("rest", someBytes(quota-used), ""); status != http.StatusOK {
		c.t.Errorf("an upload of what is left of the quota: %d %v", status, answer)
	}
}

// dial opens a new connection.
func (c *client) dial() net.Conn {
	c.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.url, "http://"))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { conn.Close() }) // again, mostly
	return conn
}

// begin sends the headers of an upload and the first bytes of its body.
func (c *client) begin(length int, contentType string, body []byte) net.Conn {
	c.t.Helper()
	conn := c.dial()
	_, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: b2b\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		uploadPath, c.token, contentType, length, body)
	if err != nil {
		c.t.Fatal(err)
	}
	return conn
}

// halfUpload starts an upload and sends half of it.
func (c *client) halfUpload(size int) (conn net.Conn, rest []byte) {
	c.t.Helper()
	kind, body := form(c.t, "half", someBytes(size), "")
	return c.begin(len(body), kind, body[:len(body)/2]), body[len(body)/2:]
}

// filesIn lists the folder of files of a server: complete files with their hash, by path, and the
// sizes of staged ones.
func filesIn(t testing.TB, data string) (whole map[string][sha256.Size]byte, staged []int64) {
	t.Helper()
	root := filepath.Join(data, "b2b-files")
	whole = map[string][sha256.Size]byte{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "owner.txt" || strings.HasPrefix(d.Name(), "seal-") {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if filepath.Base(filepath.Dir(path)) == "_staging" {
			staged = append(staged, info.Size())
			return nil
		}
		b, err := os.ReadFile(path)
		whole[path] = sha256.Sum256(b)
		return err
	})
	if err != nil && !os.IsNotExist(err) { // one that was moved meanwhile
		t.Fatal(err)
	}
	return whole, staged
}
