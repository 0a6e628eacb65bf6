package cli

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// mediaTypes are those that servers accept, by the endings of files.
var mediaTypes = map[string]string{
	".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".gif": "image/gif", ".webp": "image/webp",
	".pdf": "application/pdf",
	".csv": "text/csv", ".json": "application/json",
}

// mediaTypeOf returns the media type of a file: by its ending, or plain text if it begins like text.
func mediaTypeOf(f io.ReadSeeker, path string) (string, error) {
	if known, ok := mediaTypes[strings.ToLower(filepath.Ext(path))]; ok {
		return known, nil
	}
	head := make([]byte, 512)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	for head = head[:n]; len(head) > 0; {
		r, size := utf8.DecodeRune(head)
		if r == 0 || r == utf8.RuneError && size == 1 && (len(head) >= utf8.UTFMax || n < 512) {
			return "application/octet-stream", nil
		}
		head = head[size:]
	}
	return "text/plain", nil
}

// upload stores a file of this machine at the server.
func (r *run) upload(c *b2b.Client, path, name, mediaType string) (*b2bv1.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("upload: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("upload: %w", err)
	}
	if info.IsDir() {
		return nil, usageError("%s is a folder: upload files one by one, or an archive", path)
	}
	if name == "" {
		name = filepath.Base(path)
	}
	if mediaType == "" {
		if mediaType, err = mediaTypeOf(f, path); err != nil {
			return nil, fmt.Errorf("upload %s: %w", path, err)
		}
	}
	file, err := c.UploadFile(r.ctx, &b2bv1.UploadFileRequest{
		Name: &name, MimeType: &mediaType, RequestId: proto.String(rand.Text()),
	}, r.progress(f, "uploading "+name, info.Size()))
	if err != nil {
		return nil, fmt.Errorf("upload %s: %w", path, err)
	}
	return file, nil
}
