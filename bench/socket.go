package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// mostPosts is how many messages a thread may get that is listened to.
const mostPosts = 1 << 20

// posts are the messages of one thread, numbered from 1 in their content.
type posts struct {
	count int
	size  int            // of a content, in bytes
	begun []atomic.Int64 // Unix nanoseconds at which each was posted, by number
}

func newPosts() *posts { return &posts{size: content, begun: make([]atomic.Int64, mostPosts)} }

// body is the next message; its content begins with its number.
func (p *posts) body() []byte {
	p.count++
	text := fmt.Appendf(make([]byte, 0, p.size+32), `{"content":"#%08d `, p.count)
	for len(text) < p.size+len(`{"content":"`) {
		text = append(text, 'x')
	}
	return append(text, `"}`...)
}

var (
	mark       = []byte(`"content":"#`)
	cursorMark = []byte(`"cursor":"`)
)

// numberOf is the number of the message that a frame tells, 0 for other frames.
func numberOf(frame []byte) int {
	at := bytes.Index(frame, mark)
	if at < 0 || len(frame) < at+len(mark)+8 {
		return 0
	}
	n, err := strconv.Atoi(string(frame[at+len(mark) : at+len(mark)+8]))
	if err != nil {
		return 0
	}
	return n
}

// cursorOf is the cursor of a frame, its last key.
func cursorOf(frame []byte) []byte {
	at := bytes.LastIndex(frame, cursorMark)
	if at < 0 {
		return nil
	}
	text := frame[at+len(cursorMark):]
	end := bytes.IndexByte(text, '"')
	if end < 0 {
		return nil
	}
	return text[:end]
}

var seed = maphash.MakeSeed()

// listener is a participant of a thread who reads. Its fields but got are read when
// its goroutine has ended or everything posted has come.
type listener struct {
	conn   *websocket.Conn
	token  string
	posts  *posts
	got    atomic.Int64 // the number of the last message, all before it have come
	order  uint64       // of the cursors so far
	cursor []byte       // the last
	took   []time.Duration
	wrong  error // what came that should not have come
}

// listen reads until the connection ends; its error says how.
func (l *listener) listen(ctx context.Context) error {
	var h maphash.Hash
	h.SetSeed(seed)
	for {
		_, frame, err := l.conn.Read(ctx)
		if err != nil {
			return err
		}
		n := numberOf(frame)
		if n == 0 {
			continue
		}
		now := time.Now().UnixNano()
		if want := int(l.got.Load()) + 1; n != want && l.wrong == nil {
			l.wrong = fmt.Errorf("message %d came instead of %d", n, want)
		}
		l.cursor = append(l.cursor[:0], cursorOf(frame)...)
		if len(l.cursor) == 0 && l.wrong == nil {
			l.wrong = fmt.Errorf("message %d has no cursor", n)
		}
		_, _ = h.Write(l.cursor) // never fails
		l.order = h.Sum64()
		l.took = append(l.took, time.Duration(now-l.posts.begun[n].Load()))
		l.got.Store(int64(n))
	}
}

// run listens until ctx ends; when the connection ends before that, got is -1.
func (l *listener) run(ctx context.Context) {
	if err := l.listen(ctx); ctx.Err() == nil {
		l.wrong = errors.Join(l.wrong, err)
		l.got.Store(-1)
	}
}

// connect opens a WebSocket connection at a server of ours: from a cursor, or from now.
func connect(ctx context.Context, base, token, cursor string) (*websocket.Conn, error) {
	ticket, err := ticketFor(ctx, base, token)
	if err != nil {
		return nil, err
	}
	return dial(ctx, base, ticket, cursor)
}

func dial(ctx context.Context, base, ticket, cursor string) (*websocket.Conn, error) {
	query := url.Values{"ticket": {ticket}}
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	conn, _, err := websocket.Dial(ctx, base+"/ws?"+query.Encode(), &websocket.DialOptions{HTTPClient: dialer})
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(1 << 20)
	return conn, nil
}

// dialer shares nothing between connections.
var dialer = &http.Client{Transport: &http.Transport{
	ReadBufferSize: 1 << 10, WriteBufferSize: 1 << 10,
}}

// caller makes the calls around connections.
var caller = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

func ticketFor(ctx context.Context, base, token string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/api/ws-ticket", nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := caller.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var answer struct{ Ticket string }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return "", err
	}
	if answer.Ticket == "" {
		return "", errors.New("no ticket: " + res.Status)
	}
	return answer.Ticket, nil
}
