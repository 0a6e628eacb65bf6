package cli

import (
	"io"
	"time"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/term"
)

// progressAfter is how long work takes before its progress is shown.
const progressAfter = time.Second

// progress shows on a terminal how much was read from a reader, or counted.
func (r *run) progress(from io.Reader, what string, size int64) io.Reader {
	if !r.app.ErrTerminal || r.quiet || r.json {
		return from
	}
	return &meter{from: from, notes: r.notes, what: term.Line(what), size: size, begun: time.Now()}
}

type meter struct {
	from        io.Reader
	notes       *term.Printer
	what        string
	size, done  int64
	begun, last time.Time
}

// Read implements io.Reader.
func (m *meter) Read(b []byte) (int, error) {
	n, err := m.from.Read(b)
	m.count(n, err)
	return n, err
}

// count shows that more is done.
func (m *meter) count(n int, err error) {
	m.done += int64(n)
	now := time.Now()
	ended := err != nil || m.done >= m.size
	if !m.last.IsZero() && ended || !ended && now.Sub(m.begun) > progressAfter && now.Sub(m.last) > progressAfter/5 {
		m.last = now
		m.notes.Printf("\r\x1b[K%s %s of %s", m.what, bytesText(m.done), bytesText(m.size))
		if ended {
			m.notes.Printf("\n")
			m.last = time.Time{}
		}
	}
}
