package service

import (
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/limits"
	"github.com/b2b-protocol/b2b/server/pagetoken"
	"github.com/b2b-protocol/b2b/server/store"
)

// pageSize is the size of a page of most lists.
func pageSize(asked *int32) int { return within(asked, limits.UsualPage, limits.MaxPage) }

// smallPage is the size of a page of lists that people look at.
func smallPage(asked *int32) int { return within(asked, limits.UsualSmallPage, limits.MaxSmallPage) }

// wholePage is the size of a page of lists that are whole unless asked otherwise.
func wholePage(asked *int32) int { return within(asked, limits.UsualWholePage, limits.MaxWholePage) }

// behind is the place of the entry that a page begins behind, named by its time and id
// (B2B-LIM-004); nil begins at the start.
func behind(text, time string) (*store.TimeCursor, error) {
	if text == "" {
		return nil, nil
	}
	p, ok := pagetoken.ParsePlain(text)
	if !ok {
		return nil, call.Invalid("cursor must be the %s and the id of an entry, as in 1767225600000|id", time)
	}
	return &store.TimeCursor{At: p.At, ID: p.ID}, nil
}

// behindText writes a cursor that behind reads.
func behindText(at int64, id string) *string {
	text := pagetoken.Token{At: at, ID: id}.Plain()
	return &text
}

// within is the size of a page: absent and 0 are the usual one, the rest is moved into [1,
// most] (B2B-HTTP-015).
func within(asked *int32, usual, most int) int {
	if asked == nil || *asked == 0 {
		return usual
	}
	return min(max(int(*asked), 1), most)
}

// page takes the first size rows; there is more when the store, which was asked
// for one row more, gave it.
func page[T any](rows []T, size int) (_ []T, more bool) {
	if len(rows) > size {
		return rows[:size], true
	}
	return rows, false
}

// after is where a list ordered by activity goes on; nil begins.
func after(text *string) *store.TimeCursor {
	if text == nil {
		return nil
	}
	p, ok := pagetoken.ParseOpaque(*text)
	if !ok {
		return nil
	}
	return &store.TimeCursor{At: p.At, ID: p.ID}
}

// naming answers which fields a request names: those of the mask, or without one
// those that are set.
func naming(m proto.Message, mask *fieldmaskpb.FieldMask) func(field string) bool {
	if mask != nil {
		return func(field string) bool { return slices.Contains(mask.GetPaths(), field) }
	}
	r := m.ProtoReflect()
	fields := r.Descriptor().Fields()
	return func(field string) bool { return r.Has(fields.ByName(protoreflect.Name(field))) }
}

// span is the range of a list of messages that pages by time. Both ends are
// exclusive; before is nil when the request bounds by nothing or by an id.
func span(bound pagetoken.Bound, since *timestamppb.Timestamp, limit int) store.MessageRange {
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

// textOr is the text, or when it is absent the other one.
func textOr(text *string, other string) string {
	if text == nil {
		return other
	}
	return *text
}
