package b2b

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// pieceSize is the number of bytes of a file in one message of an upload.
const pieceSize = 64 << 10

// UploadFile stores the data of r, up to EOF, as a file. The message about has the name of the
// file (required), its media type (default text/plain) and a request id, which makes it safe to
// send the upload again. Data in about is stored before that of r. Parts and artifacts refer to
// the file by its url. If r fails or ctx ends, the server stores nothing.
func (c *Client) UploadFile(ctx context.Context, about *b2bv1.UploadFileRequest, r io.Reader) (*b2bv1.File, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends a stream that was not closed
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
			return nil, fmt.Errorf("b2b: read the data to upload: %w", failed)
		}
		if n > 0 {
			piece.Data = buf[:n]
			err = out.Send(piece)
		}
	}
	if err != nil && !errors.Is(err, io.EOF) { // io.EOF: the server has already sent its response
		return nil, err
	}
	res, err := out.CloseAndReceive()
	if err != nil {
		return nil, err
	}
	return res.GetFile(), nil
}

// DownloadFile writes a file, given by its id or url, to w and returns its metadata. If it returns
// an error, w may have a part of the file.
func (c *Client) DownloadFile(ctx context.Context, file string, w io.Writer) (*b2bv1.File, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends a stream that was not read to its end
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
			return nil, fmt.Errorf("b2b: write the downloaded data: %w", err)
		}
		got += int64(n)
	}
	if err := errors.Join(in.Err(), in.Close()); err != nil {
		return nil, err
	}
	if got != about.GetSize() {
		return nil, fmt.Errorf("b2b: received %d bytes of a file of %d: %w", got, about.GetSize(), io.ErrUnexpectedEOF)
	}
	return about, nil
}
