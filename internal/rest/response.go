package rest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/wire"
)

// Header values that never change, shared by all responses.
var (
	jsonType   = []string{"application/json; charset=utf-8"}
	noSniff    = []string{"nosniff"}
	noStore    = []string{"no-store"}
	revalidate = []string{"private, no-cache"}
	perCaller  = "Authorization, Cookie"
	varies     = []string{perCaller}
)

// content is a body and its Content-Type header; both are empty for a response without a body.
type content struct {
	mediaType []string
	data      []byte
}

// encode returns the body of a response: JSON written into buf, or the bytes in the message.
func (rt *route) encode(buf *wire.Buffer, res proto.Message) (content, error) {
	switch {
	case rt.status == http.StatusNoContent:
		return content{}, nil
	case rt.raw != nil:
		raw, ok := res.ProtoReflect().Get(rt.raw).Message().Interface().(*httpbody.HttpBody)
		if !ok {
			return content{}, fmt.Errorf("%s is not a %s", rt.raw.FullName(), httpBody)
		}
		return content{[]string{raw.GetContentType()}, raw.GetData()}, nil
	}
	var err error
	buf.B, err = wire.AppendField(buf.B, res, rt.body)
	buf.Shrink() // it counts for the caller until the client has read it
	return content{jsonType, buf.B}, err
}

// respond returns the body of a response, and the status and headers. A response that the service
// has prepared is encoded only if it is sent.
func (rt *route) respond(buf *wire.Buffer, r *http.Request, info *call.Info, res proto.Message) (content, header, error) {
	p := info.Prepared
	if p == nil {
		body, err := rt.encode(buf, res)
		if err != nil {
			return content{}, header{}, err
		}
		return body, rt.header(r, res, body), nil
	}
	h := header{status: rt.statusOf(res), tag: p.Tag, link: rt.link(r, res)}
	h.revalidate(r)
	if !h.sends(r) && r.Method != http.MethodHead { // HEAD has the length of the body
		return content{}, h, nil
	}
	buf.B = p.Append(buf.B)
	return content{jsonType, buf.B}, h, nil
}

// header is the status and headers of a response that depend on its body.
type header struct {
	status int
	tag    string // its ETag; "": none
	link   string // the next page of a list; "": none
}

// header returns the status and headers that the route declares. A GET with a current ETag in
// If-None-Match gets 304 without a body.
func (rt *route) header(r *http.Request, res proto.Message, body content) header {
	h := header{status: rt.statusOf(res), link: rt.link(r, res)}
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case h.status != http.StatusOK:
	case len(rt.etag) > 0:
		h.tag = strongTag(follow(res, rt.etag).Int())
	case reads:
		h.tag = weakTag(body.data)
	}
	if reads {
		h.revalidate(r)
	}
	return h
}

// revalidate makes the response to a GET or HEAD a 304 if the client has the current one.
func (h *header) revalidate(r *http.Request) {
	if h.tag != "" && !wantsFresh(r.Header) && matches(r.Header["If-None-Match"], h.tag) {
		h.status = http.StatusNotModified
	}
}

// sends reports whether the body is written.
func (h header) sends(r *http.Request) bool {
	return h.status != http.StatusNotModified && r.Method != http.MethodHead
}

// write writes the response.
func (h header) write(w http.ResponseWriter, r *http.Request, body content) error {
	to := w.Header()
	if h.link != "" {
		to["Link"] = []string{h.link}
	}
	if h.tag == "" {
		to["Cache-Control"] = noStore
	} else {
		to["Etag"] = []string{h.tag}
		to["Cache-Control"] = revalidate
		if others := to["Vary"]; others != nil {
			to["Vary"] = append(others, perCaller)
		} else {
			to["Vary"] = varies
		}
	}
	if h.status == http.StatusNotModified {
		body = content{}
	}
	return write(w, r, h.status, body)
}

// link returns the Link header (RFC 8288) for the next page of a list, which is the same path with
// another query (B2B-LIM-011); "" if there is none.
func (rt *route) link(r *http.Request, res proto.Message) string {
	if rt.next == nil || !res.ProtoReflect().Has(rt.next) {
		return ""
	}
	query := r.URL.Query()
	query.Set(rt.nextBy, res.ProtoReflect().Get(rt.next).String())
	return "<?" + query.Encode() + `>; rel="next"`
}

func (rt *route) statusOf(res proto.Message) int {
	for _, when := range rt.statuses {
		value := follow(res, when.path)
		switch given := value.Interface().(type) {
		case protoreflect.EnumNumber:
			if given == when.enum {
				return when.status
			}
		case string:
			if given == when.text {
				return when.status
			}
		}
	}
	return rt.status
}

// write writes a whole response. HEAD gets the headers of GET and no body.
func write(w http.ResponseWriter, r *http.Request, status int, body content) error {
	h := w.Header()
	h["X-Content-Type-Options"] = noSniff
	if body.mediaType != nil {
		h["Content-Type"] = body.mediaType
		h["Content-Length"] = []string{strconv.Itoa(len(body.data))}
	}
	w.WriteHeader(status)
	if len(body.data) == 0 || r.Method == http.MethodHead {
		return nil
	}
	_, err := w.Write(body.data)
	return err
}

// strongTag returns the ETag of a revision, such as "3".
func strongTag(revision int64) string {
	b := make([]byte, 0, 24)
	b = append(b, '"')
	b = strconv.AppendInt(b, revision, 10)
	return string(append(b, '"'))
}

// hashStep is how many bytes are hashed without a break. The runtime cannot preempt a hash in
// assembly, and a garbage collection that begins stops all other goroutines until it can: hashing
// 4 MiB at once would stop them for 2 ms and more. 16 KiB take about 10 µs.
const hashStep = 16 << 10

// weakTag returns the ETag of a body without a revision.
func weakTag(body []byte) string {
	h := sha256.New()
	for step := range slices.Chunk(body, hashStep) {
		h.Write(step)
	}
	sum := h.Sum(make([]byte, 0, sha256.Size))
	b := make([]byte, 0, 40)
	b = append(b, `W/"`...)
	b = hex.AppendEncode(b, sum[:16])
	return string(append(b, '"'))
}
