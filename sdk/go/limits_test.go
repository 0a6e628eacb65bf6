package b2b

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/coder/websocket"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
)

// large is a server with large responses and large events.
type large struct {
	b2bv1connect.UnimplementedBotServiceHandler
	b2bv1connect.UnimplementedFileServiceHandler
	b2bv1connect.UnimplementedWebSocketServiceHandler
}

func (large) GetMe(_ context.Context, _ *b2bv1.GetMeRequest) (*b2bv1.GetMeResponse, error) {
	return &b2bv1.GetMeResponse{Bot: &b2bv1.Bot{Name: strings.Repeat("x", 10_000)}}, nil
}

func (large) DeleteMe(context.Context, *b2bv1.DeleteMeRequest) (*b2bv1.DeleteMeResponse, error) {
	return nil, connect.NewError(connect.CodeResourceExhausted, errors.New("that of the server"))
}

func (large) GetFile(_ context.Context, _ *b2bv1.GetFileRequest, stream *connect.ServerStream[b2bv1.GetFileResponse]) error {
	size := int64(5000)
	for range 5 {
		if err := stream.Send(&b2bv1.GetFileResponse{File: &b2bv1.File{Size: size * 5}, Data: make([]byte, size)}); err != nil {
			return err
		}
	}
	return nil
}

func (large) CreateTicket(context.Context, *b2bv1.CreateTicketRequest) (*b2bv1.CreateTicketResponse, error) {
	return &b2bv1.CreateTicketResponse{Ticket: "t"}, nil
}

func startLarge(t *testing.T, events http.HandlerFunc) string {
	mux := http.NewServeMux()
	mux.Handle(b2bv1connect.NewBotServiceHandler(large{}))
	mux.Handle(b2bv1connect.NewFileServiceHandler(large{}))
	mux.Handle(b2bv1connect.NewWebSocketServiceHandler(large{}))
	mux.HandleFunc("/api/events", events)
	mux.HandleFunc("/ws", events)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// TestMaxResponseSize: a response that is larger than the limit is an error with its own type, one
// within the limit is not; the limit counts what is decompressed, and each message of a stream
// (B2B-SDK-039).
func TestMaxResponseSize(t *testing.T) {
	t.Parallel()
	url := startLarge(t, http.NotFound)
	get := func(c *Client) error {
		_, err := c.Bots.GetMe(t.Context(), &b2bv1.GetMeRequest{})
		return err
	}
	download := func(c *Client) error {
		_, err := c.DownloadFile(t.Context(), "f", io.Discard)
		return err
	}
	for _, test := range []struct {
		name  string
		call  func(*Client) error
		limit int
		large bool
	}{
		{"compressed to less than the limit", get, 9_000, true},
		{"within the limit", get, 11_000, false},
		{"without a limit", get, 0, false},
		{"messages of a stream", download, 4_000, true},
		{"a stream of small messages", download, 6_000, false},
	} {
		var limit *TooLargeError
		err := test.call(New(url, WithMaxResponseSize(test.limit)))
		if errors.As(err, &limit) != test.large || !test.large && err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if test.large && (limit.Limit != test.limit || !strings.Contains(err.Error(), fmt.Sprint(test.limit))) {
			t.Errorf("%s: the error is %v", test.name, err)
		}
	}
	if err := get(New(url)); err != nil {
		t.Errorf("the default: %v", err)
	}
	_, err := New(url).Bots.DeleteMe(t.Context(), &b2bv1.DeleteMeRequest{})
	if errors.As(err, new(*TooLargeError)) || connect.CodeOf(err) != connect.CodeResourceExhausted {
		t.Errorf("an error of the server with the same code: %v", err)
	}
}

// TestMaxResponseSizeOfErrors: the limit holds for the bodies of errors.
func TestMaxResponseSizeOfErrors(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"code":"not_found","message":%q}`, strings.Repeat("x", 10_000))
	}))
	defer server.Close()
	_, err := New(server.URL, WithMaxResponseSize(9_000)).Bots.GetMe(t.Context(), &b2bv1.GetMeRequest{})
	if !errors.As(err, new(*TooLargeError)) {
		t.Errorf("a large error: %v", err)
	}
	_, err = New(server.URL, WithMaxResponseSize(11_000)).Bots.GetMe(t.Context(), &b2bv1.GetMeRequest{})
	if errors.As(err, new(*TooLargeError)) || connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("a small error: %v", err)
	}
}

// TestLargestEvent: an event that is too large, or a line that does not end, ends the connection with
// an error of its own type, and is not kept in memory; then the listener goes on (B2B-SDK-040).
func TestLargestEvent(t *testing.T) {
	t.Parallel()
	event := `{"type":"message","message":{"content":"` + strings.Repeat("x", 5000) + `"},"cursor":"1"}`
	for name, test := range map[string]struct {
		transport Transport
		send      func(w http.ResponseWriter, r *http.Request, endless bool)
	}{
		"a line without an end": {ServerSentEvents, func(w http.ResponseWriter, r *http.Request, large bool) {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, "id: 0\n\ndata: "+event)
			for large && r.Context().Err() == nil {
				fmt.Fprint(w, event)
			}
			fmt.Fprint(w, "\n\n")
		}},
		"many lines": {ServerSentEvents, func(w http.ResponseWriter, r *http.Request, large bool) {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, "id: 0\n\n")
			for large && r.Context().Err() == nil {
				fmt.Fprint(w, ": comment\n")
			}
			fmt.Fprint(w, "data: "+event+"\n\n")
		}},
		"a frame": {WebSocket, func(w http.ResponseWriter, r *http.Request, large bool) {
			conn, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			defer func() { _ = conn.CloseNow() }()
			text := event
			if large {
				text += strings.Repeat(" ", 5000)
			}
			_ = conn.Write(r.Context(), websocket.MessageText, []byte(text))
			_, _, _ = conn.Read(r.Context())
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var attempts atomic.Int32
			url := startLarge(t, func(w http.ResponseWriter, r *http.Request) { test.send(w, r, attempts.Add(1) == 1) })
			c := New(url)
			c.config.frame = 8000
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var notices []error
			for e, err := range c.Listen(ctx, FromPosition("0"), WithTransport(test.transport), WithNotice(func(err error) { notices = append(notices, err) })) {
				if err != nil {
					t.Fatal(err)
				}
				if len(e.GetMessage().GetMessage().GetContent()) != 5000 {
					t.Errorf("the event is %s", e.Raw)
				}
				break
			}
			var large *TooLargeError
			if len(notices) == 0 || !errors.As(notices[0], &large) || large.Limit != 8000 {
				t.Errorf("the notices are %v", notices)
			}
		})
	}
	if New("http://localhost:4800").config.frame != largestFrame {
		t.Error("a client has another limit")
	}
}

// TestReadLine: lines are read whole up to the limit, whatever the buffer of the reader is.
func TestReadLine(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100) + "\n"
	for _, test := range []struct {
		text string
		most int
		want string
		err  error
	}{
		{"a\nb", 2, "a\n", nil},
		{"ab\n", 2, "", errTooLong},
		{long, 101, long, nil},
		{long, 100, "", errTooLong},
		{"ab", 2, "ab", io.EOF},
		{"", 0, "", io.EOF},
	} {
		got, err := readLine(bufio.NewReaderSize(bytes.NewReader([]byte(test.text)), 16), test.most)
		if string(got) != test.want || !errors.Is(err, test.err) || (err == nil) != (test.err == nil) {
			t.Errorf("readLine(%q, %d) = %q, %v", test.text, test.most, got, err)
		}
	}
}
