package wire_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/wire"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// sizes returns the larger size of a message in both kinds of JSON.
func sizes(t testing.TB, m proto.Message) (largest int) {
	t.Helper()
	b, err := wire.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	p, err := protojson.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	// protojson adds blanks at random.
	return max(len(b), len(p)-strings.Count(string(p), ", ")-strings.Count(string(p), ": "))
}

// TestSizeAtMost checks that no message of the schema is larger than the bound.
func TestSizeAtMost(t *testing.T) {
	t.Parallel()
	m := maker{Rand: rand.New(rand.NewPCG(1, 2)), canonical: true}
	for _, mt := range messageTypes(t) {
		for range 20 {
			msg := mt.New()
			m.fill(msg)
			if got, size := wire.SizeAtMost(msg.Interface()), sizes(t, msg.Interface()); got < size {
				t.Errorf("%s of %d bytes: at most %d", mt.Descriptor().FullName(), size, got)
			}
		}
	}
}

// TestSizeAtMostIsNear checks that a long text adds to the bound no more than its larger size in
// either encoding.
func TestSizeAtMostIsNear(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"plain", "é…語", "\"\\", "\x01\x1f", "\n\t", "\u2028\u2029", "\x7f", "<>&"} {
		text := strings.Repeat(s, 1000)
		m := &b2bv1.Artifact{Content: &text}
		got, size := wire.SizeAtMost(m), sizes(t, m)
		if got < size || !strings.Contains(s, "\x7f") && got > size+400 {
			t.Errorf("%q: %d bytes, at most %d", s, size, got)
		}
	}
}
