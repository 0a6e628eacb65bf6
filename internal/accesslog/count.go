package accesslog

import (
	"io"
	"net/http"
)

// countedBody counts the bytes of a request body that are read.
type countedBody struct {
	io.ReadCloser
	n int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	return n, err
}

// response counts what is written as a response.
type response struct {
	http.ResponseWriter
	status int // 0: none was written
	n      int64
}

// counted returns a response for w, and the writer to pass on. That one implements io.ReaderFrom if
// and only if w does: files on disk are then sent by the kernel.
func counted(w http.ResponseWriter) (*response, http.ResponseWriter) {
	out := &response{ResponseWriter: w}
	if from, ok := w.(io.ReaderFrom); ok {
		return out, &fileResponse{out, from}
	}
	return out, out
}

// WriteHeader implements http.ResponseWriter.
func (r *response) WriteHeader(status int) {
	if r.status == 0 && status >= 200 { // not an interim response
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *response) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(p)
	r.n += int64(n)
	return n, err
}

// Flush implements http.Flusher, which connect uses.
func (r *response) Flush() {
	if f, ok := r.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// FlushError is for http.ResponseController.
func (r *response) FlushError() error { return http.NewResponseController(r.ResponseWriter).Flush() }

// Unwrap is for http.ResponseController.
func (r *response) Unwrap() http.ResponseWriter { return r.ResponseWriter }

type fileResponse struct {
	*response
	from io.ReaderFrom
}

// ReadFrom implements io.ReaderFrom.
func (r *fileResponse) ReadFrom(src io.Reader) (int64, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.from.ReadFrom(src)
	r.n += n
	return n, err
}
