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
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// neighbourMost is how many times its quiet figure a call of an org may take while
// another org asks for all it can (B2B-LIM-020): the 99th percentile.
const neighbourMost = 3

const (
	history      = 1600     // messages of the org that abuses
	historySize  = 60 << 10 // bytes of each
	probePace    = 20 * time.Millisecond
	hangingHooks = 200
	warmUp       = 2 * time.Second // of an abuse, before it counts
)

// neighbours measures the calls of an org while another org uses a shared resource as much as it
// can, and compares their 99th percentile with that of an idle server in the same run.
// Who abuses is a process of its own with the least priority: its own processor time, which
// a client elsewhere would not take from the server, stays out of the figure.
func neighbours(ctx context.Context, o options, folder string, r *report) error {
	server, err := startServer(ctx, o, []string{
		"B2B_DATA_DIR=" + filepath.Join(folder, "neighbours"), "B2B_WEBHOOK_ALLOW=127.0.0.1", "B2B_MAX_MSG_LEN=100000", "B2B_FILE_UPLOAD_MB_PER_DAY=1000000000",
	})
	if err != nil {
		return err
	}
	defer server.stop()
	victim, err := newFilledFixture(ctx, server.url)
	if err != nil {
		return err
	}
	abuser, err := newFixture(ctx, server.url)
	if err != nil {
		return err
	}
	if err := abuser.fillHistory(ctx); err != nil {
		return err
	}
	hook, err := newDeliveryProbe(ctx, victim)
	if err != nil {
		return err
	}
	defer hook.close()
	probes, err := victim.probes(hook)
	if err != nil {
		return err
	}
	abuses, err := abuser.abuses(ctx)
	if err != nil {
		return err
	}
	if _, err := runProbes(ctx, probes, warmUp); err != nil {
		return err
	}
	for _, a := range abuses {
		if !strings.Contains(a.Name, o.abuse) {
			continue
		}
		if err := neighbour(ctx, o, r, a, probes); err != nil {
			return fmt.Errorf("%s: %w", a.Name, err)
		}
	}
	return nil
}

// neighbour measures one abuse for several rounds. In each, the calls are also measured before and
// after the abuse.
func neighbour(ctx context.Context, o options, r *report, a abuse, probes []probe) error {
	quiet, loud := make([]latencies, len(probes)), make([]latencies, len(probes))
	// The last probe reads a log, and takes a processor for longer than the others take
	// in all: it would be a neighbour of its own.
	light := len(probes) - 1
	spell := func(into []latencies, length time.Duration) error {
		a, err := runProbes(ctx, probes[:light], length*3/4)
		if err != nil {
			return err
		}
		b, err := runProbes(ctx, probes[light:], length/4)
		for i, got := range append(a, b...) {
			into[i] = append(into[i], got...)
		}
		return err
	}
	for range o.rounds {
		if err := spell(quiet, o.time/2); err != nil {
			return fmt.Errorf("quiet: %w", err)
		}
		stop, err := a.start(ctx)
		if err != nil {
			return err
		}
		err = spell(loud, o.time)
		if err := errors.Join(err, stop()); err != nil {
			return err
		}
		if err := spell(quiet, o.time/2); err != nil {
			return fmt.Errorf("quiet again: %w", err)
		}
	}
	for i, p := range probes {
		r.note("%s: %s: quiet %s; meanwhile %s", a.Name, p.name, quiet[i], loud[i])
		r.most(a.Name+": "+p.name+", p99", float64(loud[i].at(99))/float64(quiet[i].at(99)), neighbourMost, "× quiet")
	}
	return nil
}

// fillHistory posts long messages, which are slow to search and fill pages.
func (w *fixture) fillHistory(ctx context.Context) error {
	text, err := json.Marshal(map[string]string{"content": strings.Repeat("history ", historySize/8)})
	if err != nil {
		return err
	}
	post := target{method: http.MethodPost, url: w.url + "/api/threads/" + w.thread + "/messages", token: w.token, body: text}
	for range history {
		if err := once(ctx, http.DefaultClient, post); err != nil {
			return fmt.Errorf("fill the history: %w", err)
		}
	}
	return nil
}

// probe is a call of the org that does not abuse.
type probe struct {
	name string
	pace time.Duration
	do   func(context.Context, *http.Client) error
}

func (w *fixture) probes(hook *deliveryProbe) ([]probe, error) {
	get := func(path string) target { return target{method: http.MethodGet, url: w.url + path, token: w.token} }
	kind, form, err := uploadForm(10 << 10)
	if err != nil {
		return nil, err
	}
	var probes []probe
	for _, c := range []struct {
		name string
		pace time.Duration
		t    target
	}{
		{"GET /api/me", probePace, get("/api/me")},
		{"send", probePace, w.post()},
		{"read a thread", probePace, w.read()},
		{"search", probePace, get("/api/org/search?q=nothing")},
		{"upload 10 KiB", 5 * probePace, target{method: http.MethodPost, url: w.url + "/api/files/upload", token: w.token, body: form, kind: kind}},
		{"count what was missed", 2 * probePace, get(fmt.Sprintf("/api/me/catchup/count?since=%d", time.Now().UnixMilli()))},
	} {
		probes = append(probes, probe{c.name, c.pace, func(ctx context.Context, client *http.Client) error { return once(ctx, client, c.t) }})
	}
	return slices.Insert(probes, len(probes)-1, probe{"send until delivered by webhook", 2 * probePace, hook.do}), nil
}

// runProbes repeats each probe at its own rate and from its own client.
func runProbes(ctx context.Context, probes []probe, length time.Duration) ([]latencies, error) {
	ctx, cancel := context.WithTimeout(ctx, length+30*time.Second)
	defer cancel()
	end := time.Now().Add(length)
	took, errs := make([]latencies, len(probes)), make([]error, len(probes))
	var wg sync.WaitGroup
	for i, p := range probes {
		wg.Go(func() {
			transport := &http.Transport{MaxIdleConnsPerHost: 1, DisableCompression: true}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport}
			time.Sleep(p.pace * time.Duration(i) / time.Duration(len(probes)))
			tick := time.NewTicker(p.pace)
			defer tick.Stop()
			for time.Now().Before(end) && errs[i] == nil {
				<-tick.C
				begin := time.Now()
				if errs[i] = p.do(ctx, client); errs[i] != nil {
					errs[i] = fmt.Errorf("%s: %w", p.name, errs[i])
				}
				took[i] = append(took[i], time.Since(begin))
			}
		})
	}
	wg.Wait()
	return took, errors.Join(errs...)
}

// deliveryProbe sends a message to a bot with a webhook and waits for its delivery.
type deliveryProbe struct {
	send target
	l    net.Listener
	srv  *http.Server
	came chan struct{}
}

func newDeliveryProbe(ctx context.Context, w *fixture) (*deliveryProbe, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &deliveryProbe{send: w.post(), l: l, came: make(chan struct{}, 100)}
	p.send.body = w.body("hooked")
	p.srv = &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { p.came <- struct{}{} })}
	go func() { _ = p.srv.Serve(l) }() // ends with close
	return p, w.hook(ctx, "hooked", "http://"+l.Addr().String()+"/")
}

func (p *deliveryProbe) do(ctx context.Context, client *http.Client) error {
	if err := once(ctx, client, p.send); err != nil {
		return err
	}
	select {
	case <-p.came:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("no delivery: %w", ctx.Err())
	}
}

func (p *deliveryProbe) close() { _ = p.srv.Close() }

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
