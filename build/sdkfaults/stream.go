package main

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// stream passes on a connection for events, as planned.
func (p *lane) stream(w http.ResponseWriter, r *http.Request, by framing) {
	plan := p.schedule.stream(hasPosition(r))
	if plan.refusal != "" {
		p.happened(plan.refusal)
	}
	switch plan.refusal {
	case expired:
		refusePosition(w, r, by)
		return
	case "":
	default:
		refuse(w, plan.refusal, plan.rng)
		return
	}
	server, err := (&net.Dialer{}).DialContext(p.ctx, "tcp", p.server())
	if err != nil {
		p.happened(unavailable)
		refuse(w, refused503, plan.rng)
		return
	}
	defer func() { _ = server.Close() }() // what was read counts
	r.Header.Del("Accept-Encoding")
	if err := r.Write(server); err != nil {
		abort()
	}
	from := bufio.NewReader(server)
	res, err := http.ReadResponse(from, r)
	if err != nil {
		abort()
	}
	defer func() { _ = res.Body.Close() }() // what was read counts
	agent, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		abort()
	}
	defer func() { _ = agent.Close() }() // its agent has all, or must do without
	defer p.keep(agent)()
	opened := res.StatusCode == http.StatusSwitchingProtocols
	to := io.Writer(agent)
	switch {
	case opened:
		_ = res.Write(agent) // if it fails, so does the next one
	case res.StatusCode != http.StatusOK:
		_ = res.Write(agent) // as above
		return
	default: // no length: the stream ends with the connection
		_, _ = fmt.Fprintf(agent, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
			res.Header.Get("Content-Type")) // as above
		to, from = chunks{agent}, bufio.NewReader(res.Body)
	}
	p.tasks.Go(func() { // what the agent sends; the end of its connection ends that to the server
		defer func() { _ = server.Close() }() // as above
		if opened {
			_, _ = io.Copy(server, buffered) // it ends with the connection
			return
		}
		_, _ = io.Copy(io.Discard, buffered) // as above
	})
	p.pass(plan, by, from, to, agent)
}

// keep makes cut end a connection, until the result is called.
func (p *lane) keep(c net.Conn) (forget func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.streams[c] = true
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.streams, c)
	}
}

// pass copies frames with the faults of a plan until one ends the connection.
func (p *lane) pass(plan plan, by framing, from *bufio.Reader, to io.Writer, agent net.Conn) {
	for fault, on := range plan.faults {
		if on {
			p.happened(fault)
		}
	}
	var earlier []frame
	events := 0
	for {
		f, err := by.read(from)
		if err != nil {
			return
		}
		out := [][]byte{f.raw}
		if f.event != nil {
			events++
			earlier = append(earlier, f)
			if len(earlier) > 20 {
				earlier = earlier[1:]
			}
			out = p.disturb(plan, by, f, earlier)
		}
		if plan.end != "" && events >= plan.after {
			p.happened(plan.end)
			p.end(plan, by, f, from, to, agent)
			return
		}
		for _, raw := range out {
			if _, err := to.Write(raw); err != nil {
				return
			}
		}
	}
}

// disturb returns what is sent in place of an event, by the faults that leave a connection open.
func (p *lane) disturb(plan plan, by framing, f frame, earlier []frame) (out [][]byte) {
	if known := []byte(`"content_type":"text"`); plan.faults[unknownEnum] && plan.rng.IntN(3) == 0 {
		f = f.altered(bytes.Replace(f.event, known, []byte(`"content_type":"hologram"`), 1), by)
	}
	out = [][]byte{f.raw}
	if plan.faults[doubled] && plan.rng.IntN(3) == 0 {
		out = append(out, f.raw)
	}
	if plan.faults[replayed] && plan.rng.IntN(20) == 0 {
		for _, again := range earlier {
			out = append(out, again.raw)
		}
	}
	if plan.faults[unknownType] && plan.rng.IntN(10) == 0 {
		out = append(out, by.make([]byte(`{"type":"from_the_future","detail":{"of":[1,null]}}`)).raw)
	}
	if plan.faults[slowFrames] && plan.rng.IntN(5) == 0 {
		at := plan.rng.IntN(len(f.raw))
		out = append([][]byte{f.raw[:at], f.raw[at:]}, out[1:]...)
		p.pause(p.ctx, time.Duration(plan.rng.IntN(30))*time.Millisecond)
	}
	return out
}

// end ends a connection at a frame.
func (p *lane) end(plan plan, by framing, f frame, from *bufio.Reader, to io.Writer, agent net.Conn) {
	switch plan.end {
	case cutFrame:
		_, _ = to.Write(f.raw[:plan.rng.IntN(len(f.raw))]) // it is cut in any case
	case halfOpen:
		silence := shortSilence
		if p.thorough && plan.rng.IntN(20) == 0 {
			silence = longSilence
		}
		p.pause(p.ctx, silence)
	case earlyClose:
		_, _ = to.Write(append(by.close(), f.raw...)) // it is closed in any case
		for range 3 {
			if from.Buffered() == 0 {
				break
			}
			if f, err := by.read(from); err == nil {
				_, _ = to.Write(f.raw) // as above
			}
		}
		return
	}
	if c, ok := agent.(*net.TCPConn); ok && plan.rng.IntN(2) == 0 {
		_ = c.SetLinger(0) // a reset, which may overtake what was sent
	}
}

// chunks writes each piece as a chunk of a response.
type chunks struct{ to io.Writer }

// Write implements io.Writer.
func (c chunks) Write(piece []byte) (int, error) {
	if len(piece) == 0 {
		return 0, nil
	}
	_, err := fmt.Fprintf(c.to, "%x\r\n%s\r\n", len(piece), piece)
	return len(piece), err
}

// refusePosition answers as a server that no longer has the events after a position (B2B-EVT-023).
func refusePosition(w http.ResponseWriter, r *http.Request, by framing) {
	if _, ok := by.(serverSent); ok {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusGone)
		_, _ = io.WriteString(w, `{"error":"The position is too old","code":"CURSOR_EXPIRED"}`) // the agent may be dead
		return
	}
	agent, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		abort()
	}
	defer func() { _ = agent.Close() }() // all was sent
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	_, _ = fmt.Fprintf(agent, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n%s",
		base64.StdEncoding.EncodeToString(sum[:]),
		socketFrame(closeFrame, append(binary.BigEndian.AppendUint16(nil, 4009), "CURSOR_EXPIRED"...))) // the agent may be dead
	_, _ = io.CopyN(io.Discard, agent, 1) // until the agent has read it
}
