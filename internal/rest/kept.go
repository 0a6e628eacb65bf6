package rest

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/bytecache"
	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/store"
)

// Keep configures which responses are kept, so that a read that is repeated while nothing changed
// reads no rows. It is for a node that is the only one: changes of others are not seen.
type Keep struct {
	Store KeepStore
	// Procedures are those with responses that depend on the caller, the request, and what they read
	// of the store, and on nothing else.
	Procedures []string
	Bytes      int64 // of all kept responses
}

// KeepStore says what changed since.
type KeepStore interface {
	Moment() store.Moment
	Unchanged(org string, since store.Moment, read *store.Reads) bool
}

// keeper keeps responses. The nil keeper keeps none.
type keeper struct {
	store      KeepStore
	procedures map[string]bool
	cache      *bytecache.Cache[string, *keptResponse]
}

// keptResponse is a response 200 to a caller, without the part that depends on If-None-Match. It is
// read-only.
type keptResponse struct {
	since store.Moment // before it was read
	reads *store.Reads
	h     header
	body  content // empty for one that was asked for once, or that is large: only its tag is kept
}

const (
	// keptBody is how large a body is kept at most.
	keptBody = 64 << 10
	// keptRest is about how much memory a kept response takes beside its key and its body.
	keptRest = 400
)

func newKeeper(k *Keep) *keeper {
	if k == nil {
		return nil
	}
	s := &keeper{store: k.Store, procedures: map[string]bool{}, cache: bytecache.New[string, *keptResponse](k.Bytes, nil)}
	for _, p := range k.Procedures {
		s.procedures[p] = true
	}
	return s
}

// read is one call whose response may be kept. The nil read is one whose response is not.
type read struct {
	keeper *keeper
	key    string
	was    *keptResponse // nil: none that is current
	now    keptResponse
}

// begin returns the read of a call with a known caller.
func (s *keeper) begin(r *http.Request, info *call.Info) *read {
	if s == nil || !s.procedures[info.Operation.Procedure] || info.Caller.OrgID == "" || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return nil
	}
	k := &read{keeper: s, key: keyOf(r, info)}
	if was, ok := s.cache.Get(k.key); ok && s.store.Unchanged(info.Caller.OrgID, was.since, was.reads) {
		k.was = was
	}
	return k
}

// keyOf returns all that a response depends on, apart from what is read of the store.
func keyOf(r *http.Request, info *call.Info) string {
	c := info.Caller
	var b strings.Builder
	path := r.URL.EscapedPath()
	b.Grow(len(path) + len(r.URL.RawQuery) + 320)
	for _, text := range []string{info.Operation.Procedure, path, r.URL.RawQuery, c.OrgID, c.BotID, c.TokenID, c.TokenHash, c.AuthVersion.Epoch} {
		b.WriteString(text)
		b.WriteByte(0)
	}
	if c.Session != nil {
		b.WriteString(c.Session.Hash)
	}
	for _, n := range []int64{int64(c.Kind), int64(c.Scopes), c.AuthVersion.Access} {
		b.WriteByte(0)
		b.WriteString(strconv.FormatInt(n, 36))
	}
	if c.Admin {
		b.WriteString("admin")
	}
	return b.String()
}

// kept returns the kept response, if it suffices for the request.
func (k *read) kept(r *http.Request) (h header, body content, ok bool) {
	if k == nil || k.was == nil {
		return h, body, false
	}
	h = k.was.h
	h.revalidate(r)
	return h, k.was.body, h.status == http.StatusNotModified || k.was.body.data != nil
}

// invoke runs the call and collects what it reads.
func (k *read) invoke(ctx context.Context, op *call.Operation, req proto.Message) (proto.Message, error) {
	if k == nil {
		return op.Invoke(ctx, req)
	}
	k.now.since = k.keeper.store.Moment()
	ctx, k.now.reads = store.WithReads(ctx)
	return op.Invoke(ctx, req)
}

// keep keeps a response. The body is kept when the call is made for the second time while nothing
// changed: many calls are made once, or come after a change.
func (k *read) keep(h header, body content) {
	if k == nil || h.tag == "" || h.status != http.StatusOK && h.status != http.StatusNotModified {
		return
	}
	k.now.h = h
	k.now.h.status = http.StatusOK
	bytes := int64(2*len(k.key) + keptRest)
	if k.was != nil && len(body.data) <= keptBody {
		k.now.body = content{body.mediaType, append([]byte(nil), body.data...)}
		bytes += int64(len(body.data))
	}
	k.keeper.cache.Put(k.key, &k.now, bytes)
}
