package sqltest

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// boundStatement is a statement with its arguments, as they were sent.
type boundStatement struct {
	text    string
	args    [][]byte
	formats []int16
}

// recordingProxy is a way to a PostgreSQL server that keeps the statements which clients run.
type recordingProxy struct {
	url      string
	listener net.Listener
	tasks    sync.WaitGroup
	mu       sync.Mutex
	closed   bool
	conns    []net.Conn
	bound    []boundStatement
}

func newRecordingProxy(t testing.TB, address string) *recordingProxy {
	t.Helper()
	cfg, err := pgconn.ParseConfig(address)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	user := url.User(cfg.User)
	if cfg.Password != "" {
		user = url.UserPassword(cfg.User, cfg.Password)
	}
	p := &recordingProxy{listener: l}
	p.url = (&url.URL{Scheme: "postgres", User: user, Host: l.Addr().String(), Path: "/" + cfg.Database, RawQuery: "sslmode=disable"}).String()
	network, to := pgconn.NetworkAddress(cfg.Host, cfg.Port)
	if filepath.IsAbs(cfg.Host) {
		network = "unix"
	}
	p.tasks.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			var d net.Dialer
			server, err := d.DialContext(context.Background(), network, to)
			if err != nil {
				_ = client.Close() // the client finds out
				continue
			}
			p.serve(client, server)
		}
	})
	t.Cleanup(p.close)
	return p
}

func (p *recordingProxy) close() {
	_ = p.listener.Close() // nothing was written to it
	p.mu.Lock()
	p.closed = true
	for _, c := range p.conns {
		_ = c.Close() // a store that is still open finds out
	}
	p.mu.Unlock()
	p.tasks.Wait()
}

func (p *recordingProxy) serve(client, server net.Conn) {
	p.mu.Lock()
	p.conns = append(p.conns, client, server)
	if p.closed {
		_, _ = client.Close(), server.Close() // too late
	}
	p.mu.Unlock()
	end := func() { _, _ = client.Close(), server.Close() } // either end has ended
	p.tasks.Go(func() {
		defer end()
		_, _ = io.Copy(client, server) // until either ends
	})
	p.tasks.Go(func() {
		defer end()
		p.carry(server, client)
	})
}

// carry passes on what a client sends, until either end closes.
func (p *recordingProxy) carry(server io.Writer, client io.Reader) {
	texts := map[string]string{} // of prepared statements
	for head := 4; ; head = 5 {  // the first message has no type
		m := make([]byte, head)
		if _, err := io.ReadFull(client, m); err != nil {
			return
		}
		body := make([]byte, int(binary.BigEndian.Uint32(m[head-4:]))-4)
		if _, err := io.ReadFull(client, body); err != nil {
			return
		}
		if head == 5 {
			p.note(m[0], body, texts)
		}
		if _, err := server.Write(append(m, body...)); err != nil {
			return
		}
	}
}

// note keeps the statement of a message that runs one.
func (p *recordingProxy) note(kind byte, body []byte, texts map[string]string) {
	switch kind {
	case 'P':
		var m pgproto3.Parse
		if m.Decode(body) == nil {
			texts[m.Name] = m.Query
		}
	case 'B':
		var m pgproto3.Bind
		if m.Decode(body) == nil {
			p.mu.Lock()
			defer p.mu.Unlock()
			b := boundStatement{text: texts[m.PreparedStatement], formats: m.ParameterFormatCodes}
			for _, a := range m.Parameters {
				b.args = append(b.args, bytes.Clone(a)) // nil is NULL
			}
			p.bound = append(p.bound, b)
		}
	}
}

// take returns the statements since the last call.
func (p *recordingProxy) take() []boundStatement {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.bound
	p.bound = nil
	return out
}

// explain runs the queries among statements again, and returns what their plans did. Of changes it
// returns the number of runs alone.
func (r *Recorder) explain(bound []boundStatement) []Statement {
	r.Helper()
	c, err := pgconn.Connect(r.Context(), r.url)
	if err != nil {
		r.Fatal(err)
	}
	defer func() {
		if err := c.Close(context.WithoutCancel(r.Context())); err != nil {
			r.Error(err)
		}
	}()
	if _, err := c.Exec(r.Context(), "SET jit = off").ReadAll(); err != nil {
		r.Fatal(err)
	}
	at := map[string]int{}
	var out []Statement
	for _, b := range bound {
		if idle(b.text) {
			continue
		}
		i, known := at[b.text]
		if !known {
			i = len(out)
			at[b.text] = i
			out = append(out, Statement{Text: b.text, Scans: map[string]int64{}})
		}
		s := &out[i]
		s.Runs++
		if !strings.HasPrefix(b.text, "SELECT") && !strings.HasPrefix(b.text, "WITH") || strings.Contains(b.text, "DELETE FROM") {
			continue
		}
		s.add(r.planOf(c, b))
	}
	return out
}

// plan is a node of a plan, of which the database counted the rows.
type plan struct {
	Kind      string  `json:"Node Type"`
	Relation  string  `json:"Relation Name"`
	Rows      float64 `json:"Actual Rows"`
	Loops     float64 `json:"Actual Loops"`
	Filtered  float64 `json:"Rows Removed by Filter"`
	Rechecked float64 `json:"Rows Removed by Index Recheck"`
	Plans     []plan  `json:"Plans"`
}

func (r *Recorder) planOf(c *pgconn.PgConn, b boundStatement) plan {
	r.Helper()
	res := c.ExecParams(r.Context(), "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) "+b.text, b.args, nil, b.formats, nil).Read()
	if res.Err != nil {
		r.Fatalf("explain %s: %v", b.text, res.Err)
	}
	var all []struct{ Plan plan }
	if err := json.Unmarshal(res.Rows[0][0], &all); err != nil {
		r.Fatal(err)
	}
	return all[0].Plan
}

// add counts a node and the nodes below it.
func (s *Statement) add(p plan) {
	if p.Relation != "" {
		rows := int64((p.Rows + p.Filtered + p.Rechecked) * p.Loops)
		s.Work += rows
		if p.Kind == "Seq Scan" {
			s.Scans[p.Relation] += rows
		}
	}
	for _, below := range p.Plans {
		s.add(below)
	}
}
