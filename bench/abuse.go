package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// abuse is a load that a separate process makes until its input ends.
type abuse struct {
	Name    string
	Clients int
	Targets []abuseTarget // requests that the clients make in turn
	Slow    bool          // send the bodies slowly
}

type abuseTarget struct{ Method, URL, Token, Body, Kind string }

func (w *fixture) abuses(ctx context.Context) ([]abuse, error) {
	get := func(path string) []abuseTarget {
		return []abuseTarget{{Method: http.MethodGet, URL: w.url + path, Token: w.token}}
	}
	post := func(path, body, kind string) []abuseTarget {
		return []abuseTarget{{Method: http.MethodPost, URL: w.url + path, Token: w.token, Body: body, Kind: kind}}
	}
	kind, form, err := uploadForm(64 << 10)
	if err != nil {
		return nil, err
	}
	hang, err := net.Listen("tcp", "127.0.0.1:0") // accepts by its backlog alone, and never answers
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { hang.Close() })
	var names []abuseTarget
	for i := range hangingHooks {
		name := fmt.Sprint("hanging-", i)
		if err := w.hook(ctx, name, "http://"+hang.Addr().String()+"/"); err != nil {
			return nil, err
		}
		names = append(names, abuseTarget{Method: http.MethodPost, URL: w.url + "/api/send", Token: w.token, Body: string(w.body(name)), Kind: "application/json"})
	}
	filler := `{"to":"` + w.peer + `","content":"x","unknown":[` + strings.Repeat("0,", 240<<10) + `0]}`
	return []abuse{
		{Name: "32 searches of 100 MB", Clients: 32, Targets: get("/api/org/search?q=nowhere")},
		{Name: "32 counts of all that was missed", Clients: 32, Targets: get("/api/me/catchup/count?since=1")},
		{Name: "8 lists of 4 MiB", Clients: 8, Targets: get("/api/threads/" + w.thread + "/messages?limit=100")},
		{Name: "32 clients that send", Clients: 32, Targets: post("/api/send", string(w.body(w.peer)), "application/json")},
		{Name: "32 bodies of 480 KiB", Clients: 32, Targets: post("/api/send", filler, "application/json")},
		{Name: "192 uploads that trickle", Clients: 192, Targets: post("/api/files/upload", string(form), kind), Slow: true},
		{Name: "200 webhooks that hang", Clients: 2, Targets: names},
	}, nil
}

// start runs the abuse in a process, which stop ends.
func (a abuse) start(ctx context.Context) (stop func() error, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	task, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "nice", "-n", "19", self, "abuse")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the abuse: %w", err)
	}
	if _, err := in.Write(append(task, '\n')); err != nil {
		return nil, errors.Join(fmt.Errorf("send the task to the abuse: %w", err), cmd.Wait())
	}
	time.Sleep(warmUp)
	return func() error {
		in.Close()
		return cmd.Wait()
	}, nil
}

// runAbuse is the process of an abuse: its task comes as a line of JSON, and it ends with
// the input. Refusals are what an abuser gets; it goes on.
func runAbuse(in *os.File) error {
	decoder := json.NewDecoder(in)
	var a abuse
	if err := decoder.Decode(&a); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	transport := &http.Transport{MaxIdleConnsPerHost: a.Clients, DisableCompression: true}
	client := &http.Client{Transport: transport}
	var wg sync.WaitGroup
	for i := range a.Clients {
		wg.Go(func() {
			for n := i; ctx.Err() == nil; n++ {
				a.once(ctx, client, a.Targets[n%len(a.Targets)])
			}
		})
	}
	_ = decoder.Decode(&a) // until the input ends
	cancel()
	wg.Wait()
	return nil
}

func (a abuse) once(ctx context.Context, client *http.Client, t abuseTarget) {
	var body io.Reader = strings.NewReader(t.Body)
	if a.Slow {
		body = &trickle{ctx: ctx, text: t.Body}
	}
	req, err := http.NewRequestWithContext(ctx, t.Method, t.URL, body)
	if err != nil {
		return
	}
	req.ContentLength = int64(len(t.Body))
	req.Header.Set("Authorization", "Bearer "+t.Token)
	if t.Kind != "" {
		req.Header.Set("Content-Type", t.Kind)
	}
	res, err := client.Do(req)
	if err != nil {
		sleep(ctx, 10*time.Millisecond)
		return
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	if res.StatusCode >= http.StatusBadRequest {
		sleep(ctx, 10*time.Millisecond)
	}
}

// trickle is a body that is sent slowly, but fast enough that the server accepts it.
type trickle struct {
	ctx  context.Context
	text string
}

func (t *trickle) Read(p []byte) (int, error) {
	if t.text == "" {
		return 0, io.EOF
	}
	sleep(t.ctx, 100*time.Millisecond)
	n := copy(p[:min(len(p), 512)], t.text)
	t.text = t.text[n:]
	return n, t.ctx.Err()
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
