package mcp

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

type fileIn struct {
	Action  string `json:"action" jsonschema:"up: store a file; get: its content; info: only what it is"`
	File    string `json:"file,omitempty" jsonschema:"get, info: id or url"`
	Name    string `json:"name,omitempty" jsonschema:"up: with its ending, such as plan.pdf"`
	Type    string `json:"mime_type,omitempty" jsonschema:"up"`
	Content string `json:"content,omitempty" jsonschema:"up: text, or base64 if base64 is true"`
	Base64  bool   `json:"base64,omitempty" jsonschema:"up: content is base64"`
	Offset  int64  `json:"offset,omitempty" jsonschema:"get: the first byte of a text, to read on"`
}

type fileOut struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Type string `json:"mime_type"`
	Size int64  `json:"size"`
	URL  string `json:"url"`
	Text string `json:"text,omitempty"`
	Next int64  `json:"next_offset,omitempty"`
}

func fileTool() tool {
	up := &b2bv1.UploadFileRequest{}
	return with(tool{
		name: "file", title: "Files", effect: adds, needs: []proto.Message{&b2bv1.GetFileInfoRequest{}, up},
		text: "Stores and reads files. Put the url of a stored file into a message or an artifact to share it: who can read that can read the file. For texts that change, use artifact.",
	}, inputOf[fileIn](nil, []enum{{"action", []string{"up", "get", "info"}}}), file)
}

// mostImage is how many bytes an image or another file that is no text may have to be returned.
const mostImage = 256 << 10

func file(ctx context.Context, c *call, in fileIn) error {
	if in.Action == "up" {
		return c.upload(ctx, in)
	}
	if in.File == "" {
		return invalid("file: is required, an id or url")
	}
	id := in.File[strings.LastIndex(in.File, "/")+1:]
	info, err := c.Client.Files.GetFileInfo(ctx, &b2bv1.GetFileInfoRequest{Id: id})
	if err != nil {
		return err
	}
	out := c.file(info.GetFile())
	if in.Action == "get" {
		if err := c.content(ctx, id, in.Offset, &out); err != nil {
			return err
		}
	}
	c.data = out
	c.about("%s (%s, %d bytes) %s", inline(out.Name), inline(out.Type), out.Size, inline(out.URL))
	c.body(out.Text)
	if out.Next > 0 {
		c.line("There is more: offset=%d", out.Next)
	}
	return nil
}

func (c *call) file(f *b2bv1.File) fileOut {
	return fileOut{ID: f.GetId(), Name: clean(f.GetName()), Type: clean(f.GetMimeType()), Size: f.GetSize(), URL: f.GetUrl()}
}

func (c *call) upload(ctx context.Context, in fileIn) error {
	data := []byte(in.Content)
	if in.Base64 {
		var err error
		if data, err = base64.StdEncoding.DecodeString(in.Content); err != nil {
			return invalid("content: is not base64")
		}
	}
	f, err := c.Client.UploadFile(ctx, &b2bv1.UploadFileRequest{Name: text(in.Name), MimeType: text(in.Type)}, bytes.NewReader(data))
	if err != nil {
		return err
	}
	out := c.file(f)
	c.data = out
	c.line("Stored: url=%s", out.URL)
	return nil
}

// errEnough ends a download of which no more is needed.
var errEnough = errors.New("enough")

// window keeps some bytes of what is written to it.
type window struct {
	skip int64
	most int
	kept []byte
}

// Write implements io.Writer.
func (w *window) Write(p []byte) (int, error) {
	n := len(p)
	if w.skip >= int64(n) {
		w.skip -= int64(n)
		return n, nil
	}
	p, w.skip = p[w.skip:], 0
	w.kept = append(w.kept, p[:min(len(p), w.most-len(w.kept))]...)
	if len(w.kept) == w.most {
		return n, errEnough
	}
	return n, nil
}

// content reads a piece of a text, or a whole file that is none and small enough.
func (c *call) content(ctx context.Context, id string, offset int64, out *fileOut) error {
	w := &window{skip: offset, most: onBytes}
	image := strings.HasPrefix(out.Type, "image/")
	if image {
		w.most = mostImage + 1
	}
	if _, err := c.Client.DownloadFile(ctx, id, w); err != nil && !errors.Is(err, errEnough) && !errors.Is(err, io.EOF) {
		return err
	}
	if image {
		if len(w.kept) > mostImage {
			return invalid("the image has more than %d bytes: fetch it by its url", mostImage)
		}
		c.extra = append(c.extra, &sdk.ImageContent{Data: w.kept, MIMEType: out.Type})
		return nil
	}
	piece := w.kept
	if offset+int64(len(piece)) < out.Size { // not the end: whole characters only
		for i := 0; i < utf8.UTFMax && len(piece) > 0 && !utf8.Valid(piece); i++ {
			piece = piece[:len(piece)-1]
		}
		out.Next = offset + int64(len(piece))
	}
	if !utf8.Valid(piece) {
		return &failure{Code: "NOT_TEXT", Message: fmt.Sprintf("the file is no text (%s)", inline(out.Type)), Hint: "Fetch it by its url."}
	}
	out.Text = clean(string(piece))
	c.room -= len(out.Text)
	return nil
}
