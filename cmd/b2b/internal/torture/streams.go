package torture

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"connectrpc.com/connect"
	"github.com/coder/websocket"

	"github.com/b2b-protocol/b2b/internal/wire"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
)

// item is what a stream returns: an event, or with an empty text only a position.
type item struct {
	text   string // the frame, without its cursor
	cursor string // "": delivered once, not in the log
}

// stream is one connection that delivers events.
type stream interface {
	// next waits for the next item. Its errors are those of a broken connection, which is to be
	// opened again, or *refusedError.
	next(ctx context.Context) (item, error)
	close()
}

// refusedError is a response that a correct subscriber must not get.
type refusedError struct{ what string }

func (e *refusedError) Error() string { return e.what }

// errResume is the end of a stream with a request to resume.
var errResume = errors.New("the server asks to resume")

// opening is the arguments to open a stream.
type opening struct {
	net                *network
	url, token, cookie string
	cursor             string
	query              url.Values
}

// bindings are the ways to subscribe.
var bindings = map[string]func(ctx context.Context, o opening) (stream, error){
	"ws": openSocket, "sse": openEvents, "connect": openConnect, "grpc": openGRPC,
}

// The limit of a line or frame, in bytes.
const maxItem = 4 << 20

type socket struct{ conn *websocket.Conn }

func openSocket(ctx context.Context, o opening) (stream, error) {
	status, answer, err := send(ctx, o, http.MethodPost, "/api/ws-ticket", nil)
	if err != nil {
		return nil, err
	}
	ticket, ok := answer["ticket"].(string)
	if !ok {
		return nil, statusError("a ticket", status, answer)
	}
	q := url.Values{"ticket": {ticket}}
	if o.cursor != "" {
		q.Set("cursor", o.cursor)
	}
	conn, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(o.url, "http")+"/ws?"+q.Encode(), &websocket.DialOptions{HTTPClient: o.net.single})
	if err != nil {
		return nil, fmt.Errorf("open a WebSocket: %w", err)
	}
	conn.SetReadLimit(maxItem)
	return &socket{conn}, nil
}

func (s *socket) next(ctx context.Context) (item, error) {
	_, frame, err := s.conn.Read(ctx)
	if err == nil {
		return cut(string(frame))
	}
	var closed websocket.CloseError
	if errors.As(err, &closed) && closed.Code >= 4000 && closed.Code != 4008 {
		return item{}, &refusedError{closed.Error()}
	}
	return item{}, fmt.Errorf("read a WebSocket: %w", err)
}

func (s *socket) close() { _ = s.conn.CloseNow() } // it may be closed already

// cut removes the cursor from a frame of wire JSON.
func cut(frame string) (item, error) {
	const key = `,"cursor":"`
	at := strings.LastIndex(frame, key)
	var position struct {
		Type   string `json:"type"`
		Cursor string `json:"cursor"`
	}
	if err := json.Unmarshal([]byte(frame), &position); err != nil {
		return item{}, &refusedError{"a frame that is not JSON: " + frame}
	}
	if position.Cursor == "" {
		return item{text: frame}, nil
	}
	if at < 0 || frame[at:] != key+position.Cursor+`"}` {
		return item{}, &refusedError{"a frame whose cursor is not at its end: " + frame}
	}
	return item{text: frame[:at] + "}", cursor: position.Cursor}, nil
}

type events struct {
	res   *http.Response
	lines *bufio.Scanner
}

func openEvents(ctx context.Context, o opening) (stream, error) {
	r, err := request(ctx, o, http.MethodGet, "/api/events?"+o.query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	if o.cursor != "" {
		r.Header.Set("Last-Event-ID", o.cursor)
	}
	res, err := o.net.single.Do(r)
	if err != nil {
		return nil, fmt.Errorf("open a stream of events: %w", err)
	}
	s := &events{res, bufio.NewScanner(res.Body)}
	s.lines.Buffer(nil, maxItem)
	if res.StatusCode == http.StatusOK {
		return s, nil
	}
	defer s.close()
	s.lines.Scan()
	return nil, statusError("a stream of events", res.StatusCode, s.lines.Text())
}

func (s *events) next(context.Context) (item, error) {
	var kind, id, data string
	for s.lines.Scan() {
		field, value, _ := strings.Cut(s.lines.Text(), ": ")
		switch field {
		case "event":
			kind = value
		case "id":
			id = value
		case "data":
			data += value
		case "":
			if s.lines.Text() != "" {
				continue // a comment
			}
			switch {
			case kind == "resume":
				return item{}, errResume
			case kind == "error":
				return item{}, &refusedError{data}
			case kind == "" && id != "":
				return item{cursor: id}, nil
			case kind != "":
				it, err := cut(data)
				if err == nil && it.cursor != id {
					err = &refusedError{"an event whose id " + id + " is not its cursor: " + data}
				}
				return it, err
			}
		}
	}
	return item{}, fmt.Errorf("read a stream of events: %w", errors.Join(s.lines.Err(), errResume))
}

func (s *events) close() { _ = s.res.Body.Close() } // it may be broken already

type calls struct {
	transport *http.Transport
	in        *connect.ServerStreamForClient[b2bv1.SubscribeResponse]
}

func openConnect(ctx context.Context, o opening) (stream, error) { return openCall(ctx, o, false) }

func openGRPC(ctx context.Context, o opening) (stream, error) {
	return openCall(ctx, o, true, connect.WithGRPC())
}

func openCall(ctx context.Context, o opening, http2 bool, options ...connect.ClientOption) (stream, error) {
	s := &calls{transport: &http.Transport{Protocols: new(http.Protocols)}}
	s.transport.Protocols.SetHTTP1(!http2)
	s.transport.Protocols.SetUnencryptedHTTP2(http2)
	options = append(options, connect.WithInterceptors(bearer(o.token)))
	client := b2bv1connect.NewEventServiceClient(&http.Client{Transport: s.transport}, o.url, options...)
	req := &b2bv1.SubscribeRequest{}
	if o.cursor != "" {
		req.Cursor = &o.cursor
	}
	in, err := client.Subscribe(ctx, req)
	if err != nil {
		s.transport.CloseIdleConnections()
		return nil, callError(err)
	}
	s.in = in
	return s, nil
}

func (s *calls) next(context.Context) (item, error) {
	if !s.in.Receive() {
		if err := s.in.Err(); err != nil {
			return item{}, callError(err)
		}
		return item{}, errResume
	}
	it := item{cursor: s.in.Msg().GetCursor()}
	if e := s.in.Msg().GetEvent(); e != nil {
		it.text = string(wire.AppendEvent(nil, e))
	}
	return it, nil
}

func (s *calls) close() {
	_ = s.in.Close() // it may be broken already
	s.transport.CloseIdleConnections()
}

// callError tells an error that the server sent from a failure of the connection.
func callError(err error) error {
	var said *connect.Error
	if errors.As(err, &said) && connect.IsWireError(err) && len(said.Details()) > 0 {
		if v, ok := detailOf(said); ok && !v.GetRetryable() {
			return &refusedError{err.Error()}
		}
	}
	return fmt.Errorf("stream: %w", err)
}

func detailOf(err *connect.Error) (*b2bv1.ErrorDetail, bool) {
	for _, d := range err.Details() {
		if v, err := d.Value(); err == nil {
			if detail, ok := v.(*b2bv1.ErrorDetail); ok {
				return detail, true
			}
		}
	}
	return nil, false
}

// bearer is an interceptor that adds a token to streams.
type bearer string

func (b bearer) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc { return next }

func (b bearer) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		conn := next(ctx, spec)
		conn.RequestHeader().Set("Authorization", "Bearer "+string(b))
		return conn
	}
}

func (b bearer) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}
