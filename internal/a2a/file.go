package a2a

import (
	"context"
	"mime"
	"net/http"
	"strconv"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// serveFile sends a file that the caller may read. It is never shown in a browser: its content is the
// content of others.
func (h *Handler) serveFile(ctx context.Context, w http.ResponseWriter, id string) error {
	res, err := h.client.Files.GetFileInfo(ctx, &b2bv1.GetFileInfoRequest{Id: id})
	if err != nil {
		return err
	}
	out := &attachment{ResponseWriter: w, file: res.GetFile()}
	if _, err = h.client.DownloadFile(ctx, id, out); err != nil && out.begun {
		panic(http.ErrAbortHandler) // so that what was sent does not look like the whole file
	}
	if err == nil && !out.begun {
		out.begin() // an empty file
	}
	return err
}

// attachment writes the header of a file before its first bytes, so that an error before them can still
// be the response.
type attachment struct {
	http.ResponseWriter
	file  *b2bv1.File
	begun bool
}

func (a *attachment) begin() {
	a.begun = true
	header := a.Header()
	header.Set("Content-Type", "application/octet-stream")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": a.file.GetName()}))
	header.Set("Content-Length", strconv.FormatInt(a.file.GetSize(), 10))
}

// Write implements io.Writer.
func (a *attachment) Write(p []byte) (int, error) {
	if !a.begun {
		a.begin()
	}
	return a.ResponseWriter.Write(p)
}
