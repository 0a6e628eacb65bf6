package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/uuid"
	_ "modernc.org/sqlite" // the driver of both the baseline and the server
)

// baselineMessage has the keys of a message in responses of the server.
type baselineMessage struct {
	ID          string          `json:"id"`
	ThreadID    string          `json:"thread_id,omitempty"`
	ChannelID   string          `json:"channel_id,omitempty"`
	SenderID    string          `json:"sender_id"`
	SenderName  string          `json:"sender_name,omitempty"`
	Content     string          `json:"content"`
	ContentType string          `json:"content_type"`
	Parts       []baselinePart  `json:"parts"`
	Mentions    []string        `json:"mentions"`
	MentionAll  bool            `json:"mention_all"`
	ReplyToID   *string         `json:"reply_to_id"`
	Metadata    json.RawMessage `json:"metadata"`
	CreatedAt   int64           `json:"created_at"`
}

type baselinePart struct {
	Type    string `json:"type"`
	Content string `json:"content"`
}

type baselineWrite struct {
	m    *baselineMessage
	done chan error
}

type baseline struct {
	db     *sql.DB
	list   *sql.Stmt
	single *sql.Stmt
	writes chan baselineWrite
	hub    baselineHub

	bodies sync.Mutex
	body   []byte // of someBytes
}

const baselineSchema = `CREATE TABLE messages (id TEXT PRIMARY KEY, thread_id TEXT, sender_id TEXT, sender_name TEXT, content TEXT,
	content_type TEXT, parts TEXT, mentions TEXT, mention_all INTEGER, reply_to_id TEXT, metadata TEXT, created_at INTEGER);
	CREATE INDEX messages_thread ON messages (thread_id, created_at, id)`

// runBaseline runs the baseline server on addr, with a new database in folder or, if database is
// the URL of PostgreSQL, in a schema there. It has no reads of messages on PostgreSQL. It ends with
// an error, or with ctx.
func runBaseline(ctx context.Context, folder, addr, database string) error {
	f := &baseline{writes: make(chan baselineWrite, baselineBatch), hub: baselineHub{conns: map[chan []byte]struct{}{}}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/send", f.send)
	mux.HandleFunc("POST /api/threads/{id}/messages", f.post)
	mux.HandleFunc("GET /ws", f.hub.serve)
	mux.HandleFunc("GET /sends", f.sends)
	mux.HandleFunc("GET /bytes/{n}", f.someBytes)
	mux.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	insert, err := f.open(ctx, folder, database, mux)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: mux}
	failed := make(chan error, 2)
	go func() { failed <- f.write(ctx, insert) }()
	go func() { failed <- srv.Serve(l) }()
	err = <-failed
	_ = srv.Close() // the error that ended it is known
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// inserter inserts messages in one transaction.
type inserter func(batch []baselineWrite) error

// open opens the database. With SQLite it also creates the folder of files, and adds what reads
// both to mux.
func (f *baseline) open(ctx context.Context, folder, database string, mux *http.ServeMux) (inserter, error) {
	if database != "" {
		return postgresInserts(ctx, database)
	}
	dsn := "file:" + filepath.Join(folder, "baseline.db") + "?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = db.Close() }) // nothing is lost with it
	if _, err := db.Exec(baselineSchema); err != nil {
		return nil, err
	}
	f.db = db
	f.list, err = db.Prepare(`SELECT id, sender_id, sender_name, content, content_type, parts, mentions, mention_all, reply_to_id, metadata, created_at
		FROM messages WHERE thread_id = ? ORDER BY created_at DESC, id DESC LIMIT 50`)
	if err != nil {
		return nil, err
	}
	if f.single, err = db.Prepare(one); err != nil {
		return nil, err
	}
	mux.HandleFunc("GET /api/threads/{id}/messages", f.messages)
	mux.HandleFunc("GET /api/threads/{id}", f.thread)
	mux.HandleFunc("GET /api/me/catchup/count", f.count)
	stored := baselineFiles{filepath.Join(folder, "baseline-files")}
	if err := os.MkdirAll(stored.folder, 0o700); err != nil {
		return nil, err
	}
	mux.HandleFunc("POST /api/files/upload", stored.upload)
	mux.HandleFunc("GET /api/files/{id}", stored.download)
	return f.sqliteInserts(ctx)
}

const insertMessage = `INSERT INTO messages (id, thread_id, sender_id, sender_name, content, content_type, mention_all, created_at) VALUES (?,?,?,?,?,?,0,?)`

// arguments are the values of insertMessage.
func (m *baselineMessage) arguments() []any {
	return []any{m.ID, m.ThreadID + m.ChannelID, m.SenderID, "sender", m.Content, m.ContentType, m.CreatedAt}
}

func (f *baseline) sqliteInserts(ctx context.Context) (inserter, error) {
	conn, err := f.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	insert, err := conn.PrepareContext(ctx, insertMessage)
	if err != nil {
		return nil, err
	}
	return func(batch []baselineWrite) error {
		tx, err := conn.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		stmt := tx.StmtContext(ctx, insert)
		for _, w := range batch {
			if _, err := stmt.ExecContext(ctx, w.m.arguments()...); err != nil {
				return err
			}
		}
		return tx.Commit()
	}, nil
}

// baselineBatch is the maximum number of messages of a transaction.
const baselineBatch = 128

// write inserts messages and commits all that are waiting in one transaction.
func (f *baseline) write(ctx context.Context, insert inserter) error {
	var batch []baselineWrite
	for {
		select {
		case w := <-f.writes:
			batch = append(batch[:0], w)
		case <-ctx.Done():
			return ctx.Err()
		}
		for len(batch) < baselineBatch && len(f.writes) > 0 {
			batch = append(batch, <-f.writes)
		}
		err := insert(batch)
		for _, w := range batch {
			if err == nil {
				err = f.hub.send(w.m)
			}
			w.done <- err
		}
		if err != nil {
			return err
		}
	}
}

func (f *baseline) insert(w http.ResponseWriter, r *http.Request, thread, channel string) *baselineMessage {
	var in struct{ To, Content string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return nil
	}
	m, err := f.stored(thread, channel, in.Content)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return nil
	}
	return m
}

// stored stores a message.
func (f *baseline) stored(thread, channel, content string) (*baselineMessage, error) {
	m := &baselineMessage{
		ID: uuid.Must(uuid.NewV7()).String(), ThreadID: thread, ChannelID: channel, SenderID: "sender", Content: content,
		ContentType: "text", Parts: []baselinePart{{"text", content}}, CreatedAt: time.Now().UnixMilli(),
	}
	done := make(chan error, 1)
	f.writes <- baselineWrite{m, done}
	return m, <-done
}

func (f *baseline) send(w http.ResponseWriter, r *http.Request) {
	if m := f.insert(w, r, "", "channel"); m != nil {
		respond(w, map[string]any{"channel_id": m.ChannelID, "message": m, "ts": m.CreatedAt})
	}
}

func (f *baseline) post(w http.ResponseWriter, r *http.Request) {
	if m := f.insert(w, r, r.PathValue("id"), ""); m != nil {
		respond(w, m)
	}
}

func (f *baseline) messages(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	rows, err := f.list.QueryContext(r.Context(), id)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer rows.Close()
	out := make([]baselineMessage, 0, 50)
	for rows.Next() {
		m := baselineMessage{ThreadID: id, Mentions: []string{}}
		var parts, mentions, metadata *string
		if err := rows.Scan(&m.ID, &m.SenderID, &m.SenderName, &m.Content, &m.ContentType, &parts, &mentions, &m.MentionAll, &m.ReplyToID, &metadata, &m.CreatedAt); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		m.Parts = []baselinePart{{"text", m.Content}}
		out = append(out, m)
	}
	if err := rows.Err(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	respond(w, out)
}

func respond(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // fails only if the client has disconnected
}
