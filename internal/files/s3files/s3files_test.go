package s3files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/b2b-protocol/b2b/internal/files"
	"github.com/b2b-protocol/b2b/internal/files/filestest"
	"github.com/b2b-protocol/b2b/internal/files/s3files/s3test"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, url string) *Store {
	t.Helper()
	s, err := Open(Config{URL: url, AccessKeyID: s3test.KeyID, SecretAccessKey: s3test.SecretKey, Spool: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if left, err := os.ReadDir(s.spool); len(left) > 0 || err != nil {
			t.Errorf("left in the spool: %v, %v", left, err)
		}
	})
	return s
}

func TestStore(t *testing.T) {
	t.Parallel()
	for name, prefix := range map[string]string{"in a bucket": "", "below a prefix": "of/mine"} {
		t.Run(name, func(t *testing.T) {
			filestest.Run(t, func(t testing.TB) files.Store {
				_, url := s3test.New(t)
				return open(t, url(prefix))
			})
		})
	}
}

// Two databases may share a bucket below two prefixes, even if one begins like the other.
func TestPrefixesDoNotMeet(t *testing.T) {
	t.Parallel()
	_, url := s3test.New(t)
	one, other := open(t, url("b2b")), open(t, url("b2b2"))
	key := files.Key{Org: uuid.NewString(), File: uuid.NewString()}
	if _, err := other.Put(t.Context(), key, strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	if err := one.DeleteOrg(t.Context(), key.Org); err != nil {
		t.Error(err)
	}
	err := one.Walk(t.Context(), func(org string, page []files.Stored) error {
		t.Errorf("walked over %s %v", org, page)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	o, err := other.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
}

// trouble makes a store fail: each request is one of the troubles left.
type trouble struct {
	left atomic.Int32
	on   string // method
	do   func(w http.ResponseWriter, r *http.Request, next http.Handler)
}

func (f *trouble) through(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == f.on && f.left.Add(-1) >= 0 {
			f.do(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func unavailable(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	w.WriteHeader(http.StatusServiceUnavailable)
}

func cutInBody(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = io.CopyN(io.Discard, r.Body, 1000)
	panic(http.ErrAbortHandler)
}

func TestPutThroughTrouble(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(http.ResponseWriter, *http.Request, http.Handler){
		"503":     unavailable,
		"cut off": cutInBody,
		"answer lost": func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			next.ServeHTTP(discard{}, r)
			panic(http.ErrAbortHandler)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &trouble{on: http.MethodPut, do: do}
			_, url := s3test.New(t, f.through)
			s := open(t, url("p"))
			data := strings.Repeat("0123456789", 50_000)
			f.left.Store(1)
			key := files.Key{Org: uuid.NewString(), File: uuid.NewString()}
			if n, err := s.Put(t.Context(), key, strings.NewReader(data)); n != int64(len(data)) || err != nil {
				t.Fatalf("with one failure: %d, %v", n, err)
			}
			if got := read(t, s, key); got != data {
				t.Error("other bytes came back")
			}
			f.left.Store(100)
			other := files.Key{Org: key.Org, File: uuid.NewString()}
			if n, err := s.Put(t.Context(), other, strings.NewReader(data)); err == nil {
				t.Errorf("with failures only: %d", n)
			} else if outage := new(files.Outage); !errors.As(err, &outage) {
				t.Errorf("with failures only: %v is no outage", err)
			}
			f.left.Store(0)
			if _, err := s.Open(t.Context(), other); name != "answer lost" && !errors.Is(err, files.ErrNotFound) {
				t.Errorf("open: %v", err)
			}
		})
	}
}

// A full bucket or a full spool is a full Outage at once, without retries (B2B-LIM-015).
func TestNoRoom(t *testing.T) {
	t.Parallel()
	refuse := func(status int, code string) func(http.ResponseWriter, *http.Request, http.Handler) {
		return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>no room</Message></Error>", code)
		}
	}
	for name, c := range map[string]struct {
		do   func(http.ResponseWriter, *http.Request, http.Handler)
		full bool
	}{
		"Ceph's quota":  {refuse(403, "QuotaExceeded"), true},
		"MinIO is full": {refuse(507, "XMinioStorageFull"), true},
		"MinIO's quota": {refuse(400, "XMinioAdminBucketQuotaExceeded"), true},
		"not allowed":   {refuse(403, "AccessDenied"), false},
		"away":          {unavailable, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &trouble{on: http.MethodPut, do: c.do}
			_, url := s3test.New(t, f.through)
			s := open(t, url("p"))
			f.left.Store(100)
			_, err := s.Put(t.Context(), files.Key{Org: uuid.NewString(), File: uuid.NewString()}, strings.NewReader("text"))
			var outage *files.Outage
			if full := errors.As(err, &outage) && outage.Full; err == nil || full != c.full {
				t.Errorf("%v: without room %v, want %v", err, full, c.full)
			}
			if tries := 100 - f.left.Load(); c.full && tries != 1 {
				t.Errorf("a bucket without room was tried %d times", tries)
			}
		})
	}
	err := files.Local(fmt.Errorf("spool: %w", syscall.ENOSPC))
	if outage := new(files.Outage); !errors.As(err, &outage) || !outage.Full {
		t.Errorf("a spool without room: %v", err)
	}
}

// discard is an answer that nobody gets.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}

func read(t *testing.T, s *Store, key files.Key) string {
	t.Helper()
	o, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(o)
	if err = errors.Join(err, o.Close()); err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// A download goes on where its connection broke, and fails rather than end early.
func TestReadThroughTrouble(t *testing.T) {
	t.Parallel()
	data := strings.Repeat("0123456789", 50_000)
	half := func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(&short{ResponseWriter: w, left: 100_000}, r)
		panic(http.ErrAbortHandler)
	}
	f := &trouble{on: http.MethodGet, do: half}
	_, url := s3test.New(t, f.through)
	s := open(t, url("p"))
	key := files.Key{Org: uuid.NewString(), File: uuid.NewString()}
	if _, err := s.Put(t.Context(), key, strings.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	f.left.Store(4)
	if got := read(t, s, key); got != data {
		t.Errorf("%d bytes, or others", len(got))
	}
	f.do = func(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }
	f.left.Store(100)
	o, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(o); err == nil {
		t.Errorf("%d bytes without an error", len(got))
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
}

type short struct {
	http.ResponseWriter
	left int
}

func (s *short) Write(p []byte) (int, error) {
	n := min(len(p), s.left)
	s.left -= n
	if _, err := s.ResponseWriter.Write(p[:n]); err != nil {
		return 0, err
	}
	s.ResponseWriter.(http.Flusher).Flush()
	return len(p), nil
}

// A store that takes or gives nothing does not hold uploads and downloads for ever.
func TestStall(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	defer close(over)
	wait := func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodGet {
			w.Header().Set("Content-Length", "5")
			w.WriteHeader(http.StatusPartialContent)
			w.(http.Flusher).Flush()
		}
		<-over
	}
	key := files.Key{Org: uuid.NewString(), File: uuid.NewString()}
	for _, c := range []struct {
		method string
		do     func(s *Store) error
	}{
		{http.MethodPut, func(s *Store) error {
			_, err := s.Put(t.Context(), key, strings.NewReader("12345"))
			return err
		}},
		{http.MethodGet, func(s *Store) error {
			o, err := s.Open(t.Context(), key)
			if err != nil {
				return err
			}
			_, err = io.ReadAll(o)
			return errors.Join(err, o.Close())
		}},
	} {
		f := &trouble{on: c.method, do: wait}
		_, url := s3test.New(t, f.through)
		// A store of its own has the default stall, which a busy machine does not reach.
		if _, err := open(t, url("")).Put(t.Context(), key, strings.NewReader("12345")); err != nil {
			t.Fatal(err)
		}
		s := open(t, url(""))
		s.stall = 200 * time.Millisecond
		f.left.Store(100)
		start := time.Now()
		if err := c.do(s); err == nil {
			t.Errorf("%s without an error", c.method)
		}
		if took := time.Since(start); took > stall/2 {
			t.Errorf("%s took %s", c.method, took)
		}
	}
}

// B2B-LIM-047: a store that gives bytes, but hardly any, holds no download; a reader that
// takes its time may.
func TestSlowStore(t *testing.T) {
	t.Parallel()
	const size = 30_000
	trickle := func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(&trickling{w, r.Context()}, r)
	}
	f := &trouble{on: http.MethodGet, do: trickle}
	_, url := s3test.New(t, f.through)
	s := open(t, url(""))
	s.stall = 500 * time.Millisecond
	key := files.Key{Org: uuid.NewString(), File: uuid.NewString()}
	if _, err := s.Put(t.Context(), key, strings.NewReader(strings.Repeat("x", size))); err != nil {
		t.Fatal(err)
	}
	take := func(pause time.Duration) (got int, err error) {
		o, err := s.Open(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		for buf := make([]byte, size/20); err == nil; {
			var n int
			n, err = o.Read(buf)
			got += n
			time.Sleep(pause) // Sleeps: the reader takes its time.
		}
		if closed := o.Close(); closed != nil {
			t.Error(closed)
		}
		return got, err
	}
	if got, err := take(50 * time.Millisecond); got != size || err != io.EOF {
		t.Errorf("a slow reader got %d bytes, %v", got, err)
	}
	f.left.Store(100)
	if got, err := take(0); got == 0 || got >= size/2 || err == io.EOF {
		t.Errorf("a slow store: %d bytes, %v", got, err)
	}
}

// trickling writes 2 kB a second.
type trickling struct {
	http.ResponseWriter
	ctx context.Context
}

func (w *trickling) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var wrote int
		wrote, err = w.ResponseWriter.Write(p[n:min(len(p), n+100)])
		n += wrote
		w.ResponseWriter.(http.Flusher).Flush()
		select {
		case <-w.ctx.Done():
			return n, w.ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return n, err
}

// B2B-LIM-047: a list that stops in its middle ends what asks for it.
func TestListStops(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	defer close(over)
	f := &trouble{on: http.MethodGet, do: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Length", "500")
		if _, err := io.WriteString(w, "<?xml"); err != nil {
			return
		}
		w.(http.Flusher).Flush()
		<-over
	}}
	_, url := s3test.New(t, f.through)
	s := open(t, url(""))
	s.stall = 200 * time.Millisecond
	f.left.Store(100)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := s.Walk(ctx, func(string, []files.Stored) error { return nil }); err == nil || ctx.Err() != nil {
		t.Errorf("walked with %v", err)
	}
}

// What an operator did wrong is said in the error of the first request.
func TestWrongSetUp(t *testing.T) {
	t.Parallel()
	_, url := s3test.New(t)
	good := Config{URL: url(""), AccessKeyID: s3test.KeyID, SecretAccessKey: s3test.SecretKey, Spool: t.TempDir()}
	for want, change := range map[string]func(*Config){
		"create the bucket first": func(c *Config) { c.URL = strings.Replace(c.URL, s3test.Bucket, "other-bucket", 1) },
		"look at AWS_ACCESS":      func(c *Config) { c.SecretAccessKey = "wrong" },
		"AWS_SECRET_ACCESS_KEY":   func(c *Config) { c.AccessKeyID = "wrong" },
		"connection refused":      func(c *Config) { c.URL = "s3://bucket?endpoint=http://127.0.0.1:1" },
	} {
		c := good
		change(&c)
		s, err := Open(c)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Note(t.Context(), "mark.txt")
		if err == nil {
			err = s.SetNote(t.Context(), "mark.txt", "x")
		}
		outage := new(files.Outage)
		if is := errors.As(err, &outage); is != (want == "connection refused") {
			t.Errorf("%v: is an outage: %v", err, is)
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), s3test.SecretKey) {
			t.Errorf("%v, want %q in it", err, want)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// What an upload holds in memory does not grow with the file.
func TestMemory(t *testing.T) {
	// Not parallel: it counts the allocations of the whole process.
	sink := func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				t.Error(err)
			}
		})
	}
	_, url := s3test.New(t, sink)
	s := open(t, url(""))
	const size = 256 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n, err := s.Put(t.Context(), files.Key{Org: uuid.NewString(), File: uuid.NewString()}, io.LimitReader(zeros{}, size))
	runtime.ReadMemStats(&after)
	if n != size || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 {
		t.Errorf("%d MiB took %d KiB of memory", size>>20, grown>>10)
	} else {
		t.Logf("%d MiB took %d KiB of memory", size>>20, grown>>10)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestConfig(t *testing.T) {
	t.Parallel()
	with := func(url string) Config { return Config{URL: url, AccessKeyID: "a", SecretAccessKey: "s3cr3t"} }
	for _, url := range []string{
		"s3://bucket?region=eu-central-1", "s3://bucket/a/b/?region=eu-central-1",
		"s3://bucket?endpoint=https://host", "s3://bucket?endpoint=http://localhost:9000/&path_style=true", "s3://bucket?endpoint=https://host&path_style=false&region=auto",
	} {
		if err := with(url).Check(); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	for url, want := range map[string]string{
		"":                                        "must be s3://",
		"http://bucket":                           "must be s3://",
		"s3:///prefix":                            "must be s3://",
		"s3://%zz":                                "must be s3://",
		"s3://bucket":                             "no region",
		"s3://B_u/?region=x":                      "not a valid name of a bucket",
		"s3://k:s3cr3t@bucket?region=x":           "credentials have no place",
		"s3://bucket/a//b?region=x":               "the prefix",
		"s3://bucket/../b?region=x":               "the prefix",
		"s3://bucket?region=x&path_style=maybe":   "path_style",
		"s3://bucket?endpoint=host:9000":          "endpoint",
		"s3://bucket?endpoint=https://h/p":        "endpoint",
		"s3://bucket?endpoint=https://u:s3cr3t@h": "endpoint",
		"s3://bucket?regoin=x":                    "\"regoin\" is unknown",
		"s3://bucket?a;b":                         "the query after ? is not valid",
	} {
		if err := with(url).Check(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v, want %q in it", url, err, want)
		}
	}
	for _, c := range []Config{{URL: "s3://bucket?region=x"}, {URL: "s3://bucket?region=x", AccessKeyID: "a"}} {
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), "no credentials") {
			t.Errorf("without credentials: %v", err)
		}
	}
}

// An upload that is broken off has not been sent at all.
func TestBrokenOffIsNotSent(t *testing.T) {
	t.Parallel()
	var sent atomic.Int32
	_, url := s3test.New(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { sent.Add(1); next.ServeHTTP(w, r) })
	})
	s := open(t, url(""))
	broken := errors.New("broken")
	_, err := s.Put(context.Background(), files.Key{Org: uuid.NewString(), File: uuid.NewString()},
		io.MultiReader(bytes.NewReader(make([]byte, 1<<20)), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) || sent.Load() != 0 {
		t.Errorf("%v, %d requests", err, sent.Load())
	}
}
