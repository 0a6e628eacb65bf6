package b2b

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// pieceSize is how many bytes of a file one message of an upload carries.
const pieceSize = 64 << 10

// UploadFile stores what r gives, to its end, as a file. What about says of it is its
// name, which is needed, its type (text/plain when absent) and a request id, with which
// the upload can be sent again safely; data that it has comes before that of r. The file's
// url names it in parts and artifacts. When r fails, or ctx ends, nothing is stored.
func (c *Client) UploadFile(ctx context.Context, about *b2bv1.UploadFileRequest, r io.Reader) (*b2bv1.File, error) {
	ctx, giveUp := context.WithCancel(ctx)
	defer giveUp() // of what was not closed
	out, err := c.Files.UploadFile(ctx)
	if err != nil {
		return nil, err
	}
	err = out.Send(about)
	piece := &b2bv1.UploadFileRequest{}
	buf := make([]byte, pieceSize)
	for ended := false; err == nil && !ended; {
		n, failed := io.ReadFull(r, buf)
		ended = failed == io.EOF || failed == io.ErrUnexpectedEOF
		if failed != nil && !ended {
			return nil, fmt.Errorf("b2b: read what is to be uploaded: %w", failed)
		}
		if n > 0 {
			piece.Data = buf[:n]
			err = out.Send(piece)
		}
	}
	if err != nil && !errors.Is(err, io.EOF) { // io.EOF: the server has answered already
		return nil, err
	}
	res, err := out.CloseAndReceive()
	if err != nil {
		return nil, err
	}
	return res.GetFile(), nil
}

// DownloadFile writes the bytes of a file to w and gives what is known of it. It is named
// by its id or its url. Without an error, w has all of them.
func (c *Client) DownloadFile(ctx context.Context, file string, w io.Writer) (*b2bv1.File, error) {
	ctx, giveUp := context.WithCancel(ctx)
	defer giveUp() // of what is not read to its end
	in, err := c.Files.GetFile(ctx, &b2bv1.GetFileRequest{Id: file[strings.LastIndex(file, "/")+1:]})
	if err != nil {
		return nil, err
	}
	var about *b2bv1.File
	got := int64(0)
	for in.Receive() {
		m := in.Msg()
		if m.File != nil {
			about = m.File
		}
		n, err := w.Write(m.GetData())
		if err != nil {
			return nil, fmt.Errorf("b2b: write what is downloaded: %w", err)
		}
		got += int64(n)
	}
	if err := errors.Join(in.Err(), in.Close()); err != nil {
		return nil, err
	}
	if got != about.GetSize() {
		return nil, fmt.Errorf("b2b: %d bytes of a file came, it has %d: %w", got, about.GetSize(), io.ErrUnexpectedEOF)
	}
	return about, nil
}
