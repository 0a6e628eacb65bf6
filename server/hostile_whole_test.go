package server_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/b2b-protocol/b2b/internal/call"
)

// Complete calls about existing things, with one hostile text in each field: these reach the
// database.
func TestHostileCalls(t *testing.T) {
	t.Parallel()
	onBoth(t, hostileCalls)
}

func hostileCalls(t *testing.T, b *bench) {
	texts := []any{
		"\ufffd", "\U0010ffff", "%_\\", `\`, "'; --", `"}`, "$1", "?", "\u2028", "\x01\x1f\x7f", "", " ", "null", strings.Repeat("x", 5000), strings.Repeat("😀", 60_000),
		[]string{"", "\ufffd", strings.Repeat("y", 3000)}, map[string]any{"\ufffd": []any{"\x01", 1e300, nil}, "": map[string]any{}},
		[]any{map[string]any{"type": "json", "content": []any{"\x01"}, "\ufffd": "\x02"}, map[string]any{"type": "link", "url": "", "title": 5}},
	}
	done, calls := 0, 0
	for _, op := range b.ops {
		verb, _ := call.Route(op.HTTP[0])
		if verb == "DELETE" {
			continue
		}
		fields := idFieldsOf(t, op)
		all := op.Desc.Input().Fields()
		for i := range all.Len() {
			f := all.Get(i)
			if f.Kind() != protoreflect.StringKind && f.Message() == nil || slices.Contains(pathFields(op), string(f.Name())) || f.Name() == "since" ||
				f.Message() != nil && verb == "GET" {
				continue
			}
			for _, text := range texts {
				values := usual(op, fields, b.spare)
				if method(op) == "RegisterBot" {
					b.made++
					values["name"] = fmt.Sprint("bot-of-calls-", b.made)
				}
				values[string(f.Name())] = text
				_, target, body := rest(t, op, values)
				for _, c := range b.spare.callers {
					if allowed(op, c) {
						a := b.send(c, verb, target, body)
						sane(t, fmt.Sprintf("%s %s by %s", verb, target, c.name)+" "+string(body), a)
						calls++
						if a.status < 300 {
							done++
						}
						break
					}
				}
			}
		}
	}
	if done < calls/10 {
		t.Errorf("only %d of %d calls were done: the others came to nothing", done, calls)
	}
	t.Logf("%d calls, %d of them done", calls, done)
	// What was accepted can be read.
	for _, c := range []caller{b.spare.member, b.spare.admin} {
		for _, op := range b.ops {
			if verb, _ := call.Route(op.HTTP[0]); verb == "GET" && allowed(op, c) {
				sane(t, method(op)+" afterwards", b.call(t, c, op, usual(op, idFieldsOf(t, op), b.spare)))
				sane(t, method(op)+" with a query", b.call(t, c, op, with(op, usual(op, idFieldsOf(t, op), b.spare), firstText(op.Desc.Input()), "%_\\'")))
			}
		}
	}
}

func firstText(d protoreflect.MessageDescriptor) string {
	for i := range d.Fields().Len() {
		if f := d.Fields().Get(i); f.Kind() == protoreflect.StringKind {
			return string(f.Name())
		}
	}
	return "nothing"
}
