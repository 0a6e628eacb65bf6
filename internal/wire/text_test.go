package wire_test

import (
	"errors"
	"math"
	"net/url"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/wire"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func TestDecodeQuery(t *testing.T) {
	t.Parallel()
	const time = "since: must be an integer, Unix milliseconds"
	for _, c := range []struct {
		query       string
		want, fault string
		empty       proto.Message
	}{
		{query: "", empty: &b2bv1.ListThreadsRequest{}},
		{query: "q=&cursor=a%26b&scope=org&x=1", want: `q:"" cursor:"a&b" scope:"org"`, empty: &b2bv1.ListThreadsRequest{}},
		{query: "limit=12abc&limit=7", want: `limit:12`, empty: &b2bv1.ListThreadsRequest{}},
		{query: "limit=abc", want: `limit:0`, empty: &b2bv1.ListThreadsRequest{}},
		{query: "limit=", empty: &b2bv1.ListThreadsRequest{}},
		{query: "limit=-99999999999999999999", want: `limit:-2147483648`, empty: &b2bv1.ListThreadsRequest{}},
		{query: "limit=99999999999999999999", want: `limit:2147483647`, empty: &b2bv1.ListThreadsRequest{}},
		{query: "status=reviewing", want: `status:THREAD_STATUS_REVIEWING`, empty: &b2bv1.ListThreadsRequest{}},
		{query: "status=", empty: &b2bv1.ListThreadsRequest{}},
		{query: "status=open", fault: "status: must be one of active, blocked, reviewing, resolved, closed", empty: &b2bv1.ListThreadsRequest{}},
		{query: "q=%ff", fault: "q: must be UTF-8", empty: &b2bv1.ListThreadsRequest{}},
		{query: "thread_id=evil&since=1767225600123", want: `since:{seconds:1767225600 nanos:123000000}`, empty: &b2bv1.ListThreadMessagesRequest{}},
		{query: "since=-1", want: `since:{seconds:-1 nanos:999000000}`, empty: &b2bv1.ListThreadMessagesRequest{}},
		{query: "since=1e3", want: `since:{seconds:1}`, empty: &b2bv1.ListThreadMessagesRequest{}},
		{query: "since=", fault: time, empty: &b2bv1.ListThreadMessagesRequest{}},
		{query: "since=+", fault: time, empty: &b2bv1.ListThreadMessagesRequest{}},
		{query: "since=1.5", fault: time, empty: &b2bv1.ListThreadMessagesRequest{}},
		{query: "since=12abc", fault: time, empty: &b2bv1.ListThreadMessagesRequest{}},
		{query: "since=Infinity", fault: time, empty: &b2bv1.ListThreadMessagesRequest{}},
		{query: "types=a,+b+,,c,&types=d&thread_ids=&cursor=x", want: `types:"a" types:"b" types:"c" types:"d" cursor:"x"`, empty: &b2bv1.SubscribeRequest{}},
		{query: "types=a,%ff", fault: "types: must be UTF-8", empty: &b2bv1.SubscribeRequest{}},
		{query: "types=a,%00", fault: "types: must not hold the character U+0000", empty: &b2bv1.SubscribeRequest{}},
		{query: "update_mask=a&permission_policy={}&tags=a&topic=x", want: `topic:"x"`, empty: &b2bv1.UpdateThreadRequest{}},
	} {
		values, err := url.ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		got, want := proto.Clone(c.empty), proto.Clone(c.empty)
		err = wire.DecodeQuery(values, got, "thread_id")
		if errorText(err) != c.fault {
			t.Errorf("%s: %v, want %q", c.query, err, c.fault)
		}
		if err := prototext.Unmarshal([]byte(c.want), want); err != nil {
			t.Fatal(err)
		}
		if err == nil && !proto.Equal(got, want) {
			t.Errorf("%s: %v, want %s", c.query, got, c.want)
		}
	}
}

func TestDecodeQueryFarTimes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"99999999999999999999": math.MaxInt64 / 1000, "-99999999999999999999": math.MinInt64/1000 - 1} {
		var m b2bv1.GetInboxRequest
		if err := wire.DecodeQuery(url.Values{"since": {text}}, &m); err != nil || m.Since.Seconds != want {
			t.Errorf("%s: %v, %v", text, m.Since, err)
		}
	}
}

func TestSetText(t *testing.T) {
	t.Parallel()
	var m b2bv1.UpdateArtifactRequest
	if err := wire.SetText(&m, "artifact_key", "a/b é"); err != nil || m.ArtifactKey != "a/b é" {
		t.Errorf("%v, %v", &m, err)
	}
	var fault *wire.FieldError
	if err := wire.SetText(&m, "artifact_key", "\xff"); !errors.As(err, &fault) {
		t.Errorf("broken UTF-8: %v", err)
	}
	for _, name := range []string{"no_such", "update_mask"} {
		if err := wire.SetText(&m, name, "x"); err == nil || errors.As(err, &fault) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecodeQuery(f *testing.F) {
	for _, s := range []string{"limit=1&since=2&status=active", "q=%ff&before=x", "since=0x10"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		for _, m := range []proto.Message{&b2bv1.ListThreadsRequest{}, &b2bv1.ListThreadMessagesRequest{}, &b2bv1.ListAuditEntriesRequest{}} {
			err := wire.DecodeQuery(values, m)
			var fault *wire.FieldError
			if err != nil && !errors.As(err, &fault) {
				t.Fatalf("%s: %v", query, err)
			}
			if _, err := proto.Marshal(m); err != nil {
				t.Fatalf("%s: %v", query, err)
			}
			if text := errorText(err); !utf8.ValidString(text) {
				t.Fatalf("%q", text)
			}
		}
	})
}
