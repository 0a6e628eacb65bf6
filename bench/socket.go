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

// mostPosts is the maximum number of messages of a thread with listeners.
const mostPosts = 1 << 20

// posts are the messages of one thread, numbered from 1 in their content.
type posts struct {
	count int
	size  int            // of the content, in bytes
	begun []atomic.Int64 // time of each post in Unix nanoseconds, by number

	pipelined atomic.Bool // several posts are in progress, so they are committed in any order
}

func newPosts() *posts { return &posts{size: content, begun: make([]atomic.Int64, mostPosts)} }

// body returns the body of the next message, with its number in the content.
func (p *posts) body() []byte {
	p.count++
	text := fmt.Appendf(make([]byte, 0, p.size+32), `{"content":"#%08d `, p.count)
	for len(text) < p.size+len(`{"content":"`) {
		text = append(text, 'x')
	}
	return append(text, `"}`...)
}

var (
	contentKey = []byte(`"content":"#`)
	cursorKey  = []byte(`"cursor":"`)
)

// numberOf returns the number of the message in a frame, 0 for other frames.
func numberOf(frame []byte) int {
	at := bytes.Index(frame, contentKey)
	if at < 0 || len(frame) < at+len(contentKey)+8 {
		return 0
	}
	n, err := strconv.Atoi(string(frame[at+len(contentKey) : at+len(contentKey)+8]))
	if err != nil {
		return 0
	}
	return n
}

// cursorOf returns the cursor of a frame, which is its last key.
func cursorOf(frame []byte) []byte {
	at := bytes.LastIndex(frame, cursorKey)
	if at < 0 {
		return nil
	}
	text := frame[at+len(cursorKey):]
	end := bytes.IndexByte(text, '"')
	if end < 0 {
		return nil
	}
	return text[:end]
}

var seed = maphash.MakeSeed()

// listener is a participant of a thread that reads. Other goroutines read its fields, except got,
// only after its goroutine has ended or has received everything.
type listener struct {
	conn   *rawSocket
	token  string
	posts  *posts
	got    atomic.Int64 // number of messages received; -1 after an error
	order  uint64       // hash of all cursors
	cursor []byte       // the last one
	took   []time.Duration
	wrong  error // the first error
}

// listen reads until the connection or ctx ends, and returns the error with which it ended.
func (l *listener) listen(ctx context.Context) error {
	defer context.AfterFunc(ctx, l.conn.close)()
	var h maphash.Hash
	h.SetSeed(seed)
	for {
		frame, err := l.conn.next()
		if err != nil {
			return err
		}
		n := numberOf(frame)
		if n == 0 {
			continue
		}
		now := time.Now().UnixNano()
		got := l.got.Load() + 1
		if n != int(got) && l.wrong == nil && !l.posts.pipelined.Load() {
			l.wrong = fmt.Errorf("received message %d instead of %d", n, got)
		}
		l.cursor = append(l.cursor[:0], cursorOf(frame)...)
		if len(l.cursor) == 0 && l.wrong == nil {
			l.wrong = fmt.Errorf("message %d has no cursor", n)
		}
		_, _ = h.Write(l.cursor) // never fails
		l.order = h.Sum64()
		l.took = append(l.took, time.Duration(now-l.posts.begun[n].Load()))
		l.got.Store(got)
	}
}

// run listens until ctx ends. It sets got to -1 if the connection ends earlier.
func (l *listener) run(ctx context.Context) {
	if err := l.listen(ctx); ctx.Err() == nil {
		l.wrong = errors.Join(l.wrong, err)
		l.got.Store(-1)
	}
}

// connect opens a WebSocket connection to the server, from a cursor or from the current position.
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

// dialer uses a new network connection for each WebSocket.
var dialer = &http.Client{Transport: &http.Transport{
	ReadBufferSize: 1 << 10, WriteBufferSize: 1 << 10,
}}

// caller makes all other requests.
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
	var body struct{ Ticket string }
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		return "", err
	}
	if body.Ticket == "" {
		return "", errors.New("no ticket: " + res.Status)
	}
	return body.Ticket, nil
}
