package wire_test

import (
	"math/rand/v2"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/wire"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// TestSDKParsesEvents: the Go SDK reads every event that the encoders write, and returns the same
// message.
func TestSDKParsesEvents(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 8))
	for range 3000 {
		m := &b2bv1.Event{}
		maker{Rand: r, canonical: true}.fill(m.ProtoReflect())
		text, err := wire.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		got, err := b2b.ParseEvent(text)
		if err != nil {
			t.Fatalf("%v of %s", err, text)
		}
		if !proto.Equal(m, got.Event) {
			t.Fatalf("parsing %s\n got %s\nwant %s", text, prototext.Format(got.Event), prototext.Format(m))
		}
	}
}

// BenchmarkSDKParseEvent measures what the Go SDK needs for one thread message.
func BenchmarkSDKParseEvent(b *testing.B) {
	text := []byte(`{"type":"thread_message","thread_id":"2f1c","message":{"id":"0198","thread_id":"2f1c","sender_id":"b1",` +
		`"sender_name":"planner","content":"Ready to start?","content_type":"text","parts":[{"type":"text","content":"Ready to start?"}],` +
		`"mentions":[],"mention_all":false,"reply_to_id":null,"metadata":{"provenance":{"authored_by":"human"}},"created_at":1767225600000},"cursor":"e.7"}`)
	b.ReportAllocs()
	for b.Loop() {
		if e, err := b2b.ParseEvent(text); err != nil || e.GetThreadMessage() == nil {
			b.Fatal(err)
		}
	}
}
