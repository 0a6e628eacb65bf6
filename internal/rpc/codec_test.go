package rpc

import (
	"testing"

	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// connect's own codec accepts each of these as an empty request.
func TestStrictJSON(t *testing.T) {
	t.Parallel()
	codec := strictJSON{"json"}
	for _, text := range []string{``, `{"nova":1}`, `{"status":"nova"}`, `{"status":"active"}`} {
		if err := codec.Unmarshal([]byte(text), new(b2bv1.ListThreadsRequest)); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
	want := &b2bv1.ListThreadsRequest{Status: b2bv1.ThreadStatus_THREAD_STATUS_ACTIVE.Enum(), Q: proto.String("x")}
	data, err := codec.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got := new(b2bv1.ListThreadsRequest)
	if err := codec.Unmarshal(data, got); err != nil || !proto.Equal(got, want) {
		t.Errorf("%s: %v, %v", data, got, err)
	}
	if codec.Unmarshal(data, "") == nil {
		t.Error("a string was accepted as a message")
	}
}
