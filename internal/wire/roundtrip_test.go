package wire_test

import (
	"math/rand/v2"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/wire"
)

// The decoder reads what the encoders write, and returns the same message.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, mt := range messageTypes(t) {
		r := rand.New(rand.NewPCG(3, uint64(len(mt.Descriptor().FullName()))))
		for range 100 {
			m := mt.New()
			maker{Rand: r, canonical: true}.fill(m)
			text, err := wire.Marshal(m.Interface())
			if err != nil {
				t.Fatal(err)
			}
			back := mt.New()
			if err := wire.Decode(text, back.Interface()); err != nil {
				t.Fatalf("%s: %v of %s", mt.Descriptor().FullName(), err, text)
			}
			for i := range mt.Descriptor().Fields().Len() {
				if f := mt.Descriptor().Fields().Get(i); wireOptions(f).GetBodyKeys() {
					back.Clear(f)
				}
			}
			if !proto.Equal(m.Interface(), back.Interface()) {
				t.Fatalf("%s of %s\n got %s\nwant %s", mt.Descriptor().FullName(), text,
					prototext.Format(back.Interface()), prototext.Format(m.Interface()))
			}
		}
	}
}
