package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"iter"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/wire"
)

// show writes a result: a message of the schema as JSON of REST, or text.
func (r *run) show(result proto.Message, text func()) error {
	if !r.json {
		text()
		return nil
	}
	line, err := wire.Marshal(result)
	if err != nil {
		return fmt.Errorf("encode the result: %w", err)
	}
	r.out.Printf("%s\n", line)
	return nil
}

// showJSON is show for a result that is no message of the schema.
func (r *run) showJSON(result any, text func()) error {
	if !r.json {
		text()
		return nil
	}
	return encode(r.out, result)
}

// encode writes a value as a line of JSON, with the characters of URLs as they are.
func encode(w io.Writer, value any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return fmt.Errorf("encode the result: %w", err)
	}
	return nil
}

// raw returns the JSON of REST of a message, as a part of another result.
func raw(m proto.Message) (json.RawMessage, error) {
	text, err := wire.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode the result: %w", err)
	}
	return text, nil
}

const (
	usualLimit = 50
	mostLimit  = 10_000
	mostPage   = 100 // entries that a verb asks for at once
)

// limited is the flag --limit of a list.
type limited struct{ limit int }

func (l *limited) check() error {
	if l.limit < 1 || l.limit > mostLimit {
		return usageError("--limit %d is not between 1 and %d", l.limit, mostLimit)
	}
	return nil
}

// page returns the size of the pages of a list, which is read up to one entry more than the limit.
func (l *limited) page() *int32 { return proto.Int32(int32(min(l.limit+1, mostPage))) }

// more returns how to get more of a list.
func (l *limited) more() string { return fmt.Sprintf("--limit %d", min(l.limit*2, mostLimit)) }

// take returns the first entries of a list, and whether there are more.
func take[T any](list iter.Seq2[T, error], most int) (entries []T, more bool, err error) {
	for entry, err := range list {
		if err != nil {
			return nil, false, err
		}
		if len(entries) == most {
			return entries, true, nil
		}
		entries = append(entries, entry)
	}
	return entries, false, nil
}

// list writes the first entries of a list: as JSON a line each, or as text all together.
func list[T proto.Message](r *run, l *limited, entries iter.Seq2[T, error], text func([]T), none string) error {
	if err := l.check(); err != nil {
		return err
	}
	found, more, err := take(entries, l.limit)
	if err != nil {
		return err
	}
	return listed(r, found, text, none, more, l.more)
}

// listed writes entries that were read, and how to get more.
func listed[T proto.Message](r *run, found []T, text func([]T), none string, more bool, how func() string) error {
	if r.json {
		for _, entry := range found {
			if err := r.show(entry, nil); err != nil {
				return err
			}
		}
	} else if len(found) > 0 {
		text(found)
	} else {
		r.note("%s", none)
	}
	if !more {
		return nil
	}
	if r.json {
		return encode(r.notes, map[string]any{"more": true, "how": how()})
	}
	r.note("There are more: %s", how())
	return nil
}
