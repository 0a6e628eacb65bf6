package service

import (
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/pagetoken"
	"github.com/b2b-protocol/b2b/internal/store"
)

// pageSize returns the page size of most lists.
func pageSize(asked *int32) int { return within(asked, limits.UsualPage, limits.MaxPage) }

// smallPage returns the page size of lists that are shown to people.
func smallPage(asked *int32) int { return within(asked, limits.UsualSmallPage, limits.MaxSmallPage) }

// wholePage returns the page size of lists that are not paged by default (B2B-LIM-004).
func wholePage(asked *int32) int { return within(asked, limits.UsualWholePage, limits.MaxWholePage) }

// parsePageToken reads a plain page token: the time and the id of the last entry of the previous
// page (B2B-LIM-004). It returns nil for the empty token, which starts at the first page. time is
// the name of the time's field, for the error.
func parsePageToken(text, time string) (*store.PageKey, error) {
	if text == "" {
		return nil, nil
	}
	p, ok := pagetoken.ParsePlain(text)
	if !ok {
		return nil, call.Invalid("cursor must be the %s and the id of an entry, as in 1767225600000|id", time)
	}
	return &store.PageKey{At: p.At, ID: p.ID}, nil
}

// formatPageToken writes a token that parsePageToken reads.
func formatPageToken(at int64, id string) *string {
	text := pagetoken.Token{At: at, ID: id}.Plain()
	return &text
}

// within returns a page size: usual when asked is absent or 0, otherwise asked clamped to [1,
// most] (B2B-HTTP-015).
func within(asked *int32, usual, most int) int {
	if asked == nil || *asked == 0 {
		return usual
	}
	return min(max(int(*asked), 1), most)
}

// page returns the first size rows. The store was asked for one row more; more reports whether it
// returned that row.
func page[T any](rows []T, size int) (_ []T, more bool) {
	if len(rows) > size {
		return rows[:size], true
	}
	return rows, false
}

// parseOpaqueToken reads an opaque page token of a list that is ordered by activity. An absent or
// unreadable token returns nil, which starts at the first page (B2B-THR-037).
func parseOpaqueToken(text *string) *store.PageKey {
	if text == nil {
		return nil
	}
	p, ok := pagetoken.ParseOpaque(*text)
	if !ok {
		return nil
	}
	return &store.PageKey{At: p.At, ID: p.ID}
}

// namedFields returns a function that reports whether a request names a field: the fields of its
// mask, or without a mask the fields that are set.
func namedFields(m proto.Message, mask *fieldmaskpb.FieldMask) func(field string) bool {
	if mask != nil {
		return func(field string) bool { return slices.Contains(mask.GetPaths(), field) }
	}
	r := m.ProtoReflect()
	fields := r.Descriptor().Fields()
	return func(field string) bool { return r.Has(fields.ByName(protoreflect.Name(field))) }
}

// messageRange returns the range of a list of messages that pages by time. Both ends are
// exclusive. Before is nil when the request has no bound by time.
func messageRange(bound pagetoken.Bound, since *timestamppb.Timestamp, limit int) store.MessageRange {
	r := store.MessageRange{Limit: limit}
	if bound.Kind == pagetoken.ByTime {
		r.Before = &bound.Time
	}
	if since != nil {
		at := millis(since)
		r.Since = &at
	}
	return r
}

// textOr returns text, or other when text is nil.
func textOr(text *string, other string) string {
	if text == nil {
		return other
	}
	return *text
}
