package service

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// The response to a sender has every key of the message, also those that the schema gets later.
func TestWithRecipients(t *testing.T) {
	t.Parallel()
	m := &b2bv1.ThreadMessage{}
	r := m.ProtoReflect()
	fields := r.Descriptor().Fields()
	for i := range fields.Len() {
		switch f := fields.Get(i); {
		case f.Name() == "recipients":
		case f.IsList():
			r.Mutable(f).List().AppendMutable()
		case f.Message() != nil:
			r.Mutable(f)
		case f.Kind() == protoreflect.BoolKind:
			r.Set(f, protoreflect.ValueOfBool(true))
		default:
			r.Set(f, protoreflect.ValueOfString("text"))
		}
	}
	want := proto.CloneOf(m)
	want.Recipients = &b2bv1.Recipients{Count: 7}
	if got := withRecipients(m, want.Recipients); !proto.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	if m.Recipients != nil {
		t.Error("the message of the event has recipients")
	}
}

func TestBestNamed(t *testing.T) {
	t.Parallel()
	known := []store.NamedBot{{Name: "bob"}, {ID: "1", Name: "ann"}, {ID: "2", Name: "Ann"}, {ID: "3", Name: "cyd"}, {Name: "Cyd"}, {Name: "Eve"}, {Name: "eve"}}
	for name, want := range map[string]store.NamedBot{
		"bob": known[0], "BOB": known[0], "ann": known[1], "ANN": known[1], "Ann": known[2], "Cyd": known[3], "cyd": known[3], "Eve": known[5], "EVE": known[6],
	} {
		if got := bestNamed(known, name); got == nil || *got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	if got := bestNamed(known, "nobody"); got != nil {
		t.Errorf("nobody: %+v", got)
	}
}
