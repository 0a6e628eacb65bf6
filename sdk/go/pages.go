package b2b

import (
	"context"
	"iter"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// A lister is a call that returns a page.
type lister[Req, Res proto.Message] func(context.Context, Req) (Res, error)

// each returns all entries of a list, and has one page in memory at a time. The token of the next
// page is next_cursor, or else cursor, of the response; it becomes cursor, or else before, of the
// request. Without a token, offset of the request counts the entries. A nil request asks for all.
func each[Req, Res proto.Message, T any](ctx context.Context, call lister[Req, Res], req Req, entries func(Res) []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		m := copyOf(req).ProtoReflect()
		for {
			res, err := call(ctx, m.Interface().(Req))
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			page := entries(res)
			for _, entry := range page {
				if !yield(entry, nil) {
					return
				}
			}
			if !turn(m, res.ProtoReflect(), len(page)) {
				return
			}
		}
	}
}

// copyOf returns a copy of a request that can be changed; of nil, an empty one.
func copyOf[M proto.Message](m M) M {
	if !m.ProtoReflect().IsValid() {
		return m.ProtoReflect().New().Interface().(M)
	}
	return proto.CloneOf(m)
}

// turn makes a request that for the next page, and reports whether there is one.
func turn(req, res protoreflect.Message, entries int) bool {
	token := fieldOf(res, "next_cursor", "cursor")
	if token == nil {
		more, offset := fieldOf(res, "has_more"), fieldOf(req, "offset")
		if more == nil || offset == nil || !res.Get(more).Bool() || entries == 0 {
			return false
		}
		req.Set(offset, protoreflect.ValueOfInt32(int32(req.Get(offset).Int())+int32(entries)))
		return true
	}
	by := fieldOf(req, "cursor", "before")
	if by == nil || !res.Has(token) || res.Get(token).String() == req.Get(by).String() {
		return false // the same token again would be an endless loop
	}
	req.Set(by, res.Get(token))
	return true
}

func fieldOf(m protoreflect.Message, names ...protoreflect.Name) protoreflect.FieldDescriptor {
	for _, name := range names {
		if f := m.Descriptor().Fields().ByName(name); f != nil {
			return f
		}
	}
	return nil
}

// newest is a message in a list with the newest entry first.
type newest interface {
	GetId() string
	GetCreatedAt() *timestamppb.Timestamp
}

// eachNewest is each for lists of messages. A page without a token has the oldest entry first: it
// is reversed, and goes on before its last entry. Pages with a token do not apply since, so the
// list ends at the first entry that is as old.
func eachNewest[Req, Res proto.Message, T newest](ctx context.Context, call lister[Req, Res], req Req, since *timestamppb.Timestamp, entries func(Res) []T) iter.Seq2[T, error] {
	whole := each(ctx, func(ctx context.Context, req Req) (Res, error) {
		res, err := call(ctx, req)
		if err != nil {
			return res, err
		}
		m := res.ProtoReflect()
		page := entries(res)
		if paged := fieldOf(m, "paged"); !m.Get(paged).Bool() {
			slices.Reverse(page)
			if token := fieldOf(m, "next_cursor"); len(page) > 0 {
				m.Set(token, protoreflect.ValueOfString(page[len(page)-1].GetId()))
			} else {
				m.Clear(token)
			}
		}
		return res, nil
	}, req, entries)
	return func(yield func(T, error) bool) {
		for entry, err := range whole {
			if err == nil && since != nil && !entry.GetCreatedAt().AsTime().After(since.AsTime()) {
				return
			}
			if !yield(entry, err) {
				return
			}
		}
	}
}
