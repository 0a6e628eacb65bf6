package b2b_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
)

// library serves two lists of the entries 0 to 9, three in a page.
type library struct {
	b2bv1connect.UnimplementedBotServiceHandler
	b2bv1connect.UnimplementedChannelServiceHandler
	calls int
	fails int // the call that fails, from 1; 0: none
}

var errList = connect.NewError(connect.CodeNotFound, errors.New("no such list"))

func (l *library) ListPeers(_ context.Context, req *b2bv1.ListPeersRequest) (*b2bv1.ListPeersResponse, error) {
	if l.calls++; l.calls == l.fails {
		return nil, errList
	}
	from, _ := strconv.Atoi(req.GetCursor())
	res := &b2bv1.ListPeersResponse{}
	for i := from; i < min(from+3, 10); i++ {
		res.Bots = append(res.Bots, &b2bv1.Bot{Id: strconv.Itoa(i)})
	}
	if from+3 < 10 {
		res.NextCursor = proto.String(strconv.Itoa(from + 3))
	}
	return res, nil
}

// ListChannelMessages returns the newest messages, oldest first, or a page of those before one,
// newest first. The time of a message is its number.
func (l *library) ListChannelMessages(_ context.Context, req *b2bv1.ListChannelMessagesRequest) (*b2bv1.ListChannelMessagesResponse, error) {
	l.calls++
	end, res := 10, &b2bv1.ListChannelMessagesResponse{Paged: req.Before != nil}
	if req.Before != nil {
		end, _ = strconv.Atoi(req.GetBefore())
	}
	for i := end - 1; i >= max(end-3, 0); i-- {
		res.Messages = append(res.Messages, &b2bv1.ChannelMessage{Id: strconv.Itoa(i), CreatedAt: &timestamppb.Timestamp{Seconds: int64(i)}})
	}
	if !res.Paged {
		slices.Reverse(res.Messages)
	} else if end > 3 {
		res.NextCursor = proto.String(strconv.Itoa(end - 3))
	}
	return res, nil
}

func (l *library) client() *b2b.Client {
	mux := http.NewServeMux()
	mux.Handle(b2bv1connect.NewBotServiceHandler(l))
	mux.Handle(b2bv1connect.NewChannelServiceHandler(l))
	return b2b.New("http://b2b.test", b2b.WithHTTPClient(exchange(func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		return w.Result(), nil
	})))
}

// TestEach: a loop over a list gets every entry once, reads no page before it is needed, and ends
// with an error.
func TestEach(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fails, stop, calls int
		want               string
	}{
		{0, 0, 4, "0123456789"},
		{0, 3, 1, "012"},
		{0, 4, 2, "0123"},
		{3, 0, 3, "012345!"},
	} {
		l := &library{fails: c.fails}
		got := ""
		req := &b2bv1.ListPeersRequest{}
		for bot, err := range l.client().EachPeer(t.Context(), req) {
			if err != nil {
				got += "!"
				continue
			}
			if got += bot.GetId(); len(got) == c.stop {
				break
			}
		}
		if got != c.want || l.calls != c.calls || req.Cursor != nil {
			t.Errorf("%+v: got %s in %d calls, the request is %v", c, got, l.calls, req)
		}
	}
	l := &library{}
	for range l.client().EachPeer(t.Context(), nil) {
	}
	if l.calls != 4 {
		t.Errorf("without a request: %d calls", l.calls)
	}
}

// TestEachNewest: messages come newest first, also those of the first page, down to a time.
func TestEachNewest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		since *timestamppb.Timestamp
		want  string
	}{{nil, "9876543210"}, {&timestamppb.Timestamp{Seconds: 4}, "98765"}} {
		l, got := &library{}, ""
		for m, err := range l.client().EachChannelMessage(t.Context(), &b2bv1.ListChannelMessagesRequest{Since: c.since}) {
			if err != nil {
				t.Fatal(err)
			}
			got += m.GetId()
		}
		if got != c.want {
			t.Errorf("since %v: %s, want %s", c.since, got, c.want)
		}
	}
}

// TestEachList: every call that returns pages has an iterator, which sends the call that its name
// says, again with the token of the page.
func TestEachList(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	c := b2b.New("http://b2b.test", b2b.WithConnect(connect.WithProtoJSON()), b2b.WithHTTPClient(exchange(func(r *http.Request) (*http.Response, error) {
		method := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		seen[method]++
		w := httptest.NewRecorder()
		w.Header().Set("Content-Type", "application/json")
		token := ""
		if seen[method] == 1 {
			token = `"nextCursor": "next", "cursor": "next", "hasMore": true`
		}
		fmt.Fprintf(w, "{%s}", token)
		return w.Result(), nil
	})))
	client := reflect.ValueOf(c)
	iterators := 0
	for i := range client.NumMethod() {
		method := client.Type().Method(i)
		if !strings.HasPrefix(method.Name, "Each") {
			continue
		}
		iterators++
		seq := client.Method(i).Call([]reflect.Value{reflect.ValueOf(t.Context()), reflect.Zero(method.Type.In(2))})[0]
		for _, err := range seq.Seq2() {
			if !err.IsNil() {
				t.Errorf("%s: %v", method.Name, err)
			}
		}
	}
	lists := 0
	for _, file := range []protoreflect.FileDescriptor{
		b2bv1.File_b2b_v1_artifact_proto, b2bv1.File_b2b_v1_auth_proto, b2bv1.File_b2b_v1_bot_proto,
		b2bv1.File_b2b_v1_channel_proto, b2bv1.File_b2b_v1_decision_proto, b2bv1.File_b2b_v1_delivery_proto, b2bv1.File_b2b_v1_event_proto, b2bv1.File_b2b_v1_file_proto,
		b2bv1.File_b2b_v1_lease_proto, b2bv1.File_b2b_v1_org_proto, b2bv1.File_b2b_v1_search_proto, b2bv1.File_b2b_v1_server_proto, b2bv1.File_b2b_v1_thread_proto, b2bv1.File_b2b_v1_webhook_proto,
	} {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				m := methods.Get(j)
				out, in := m.Output().Fields(), m.Input().Fields()
				token := out.ByName("next_cursor") != nil || out.ByName("cursor") != nil
				offset := in.ByName("offset") != nil
				if m.IsStreamingServer() || !token && !offset {
					continue
				}
				lists++
				switch got := seen[string(m.Name())]; {
				case got == 0:
					t.Errorf("%s has no iterator", m.Name())
				case token && got != 2 && in.ByName("before") == nil:
					t.Errorf("%s was called %d times for two pages", m.Name(), got)
				}
			}
		}
	}
	if iterators != lists || lists < 20 {
		t.Errorf("%d iterators for %d lists", iterators, lists)
	}
}
