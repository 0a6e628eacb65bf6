package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// target is one request that a load repeats.
type target struct {
	method string
	url    string
	token  string
	body   []byte
	kind   string // Content-Type of the body; default JSON
}

// result is the result of a load.
type result struct {
	count     int
	perSecond float64
	p50, p99  time.Duration
}

// load repeats a request from several clients for the given time. A response with another status
// than 200 ends it with an error.
func load(ctx context.Context, clients int, length time.Duration, t target) (result, error) {
	return loadEach(ctx, clients, length, func(ctx context.Context, client *http.Client, _ int) error {
		return once(ctx, client, t)
	})
}

// loadEach calls do from several clients for the given time, each time with another number. The
// first error ends it.
func loadEach(ctx context.Context, clients int, length time.Duration, do func(ctx context.Context, client *http.Client, n int) error) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, length+30*time.Second)
	defer cancel()
	end := time.Now().Add(length)
	return loadWhile(ctx, clients, func() bool { return time.Now().Before(end) }, do)
}

// loadWhile calls do from several clients while more returns true, each time with another number.
// The first error ends it.
func loadWhile(ctx context.Context, clients int, more func() bool, do func(ctx context.Context, client *http.Client, n int) error) (result, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: clients, DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	took := make([][]time.Duration, clients)
	errs := make([]error, clients)
	var wg sync.WaitGroup
	start := time.Now()
	for i := range clients {
		wg.Go(func() {
			for n := i; errs[i] == nil && more(); n += clients {
				begin := time.Now()
				errs[i] = do(ctx, client, n)
				took[i] = append(took[i], time.Since(begin))
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(start)
	for _, err := range errs {
		if err != nil {
			return result{}, err
		}
	}
	all := slices.Concat(took...)
	slices.Sort(all)
	if len(all) == 0 {
		return result{}, errors.New("no call ended")
	}
	return result{
		count:     len(all),
		perSecond: float64(len(all)) / elapsed.Seconds(),
		p50:       all[len(all)/2],
		p99:       all[len(all)*99/100],
	}, nil
}

// once makes a request and reads the response.
func once(ctx context.Context, client *http.Client, t target) error {
	return fetch(ctx, client, t, io.Discard)
}

// fetch makes a request and copies the body of the response to out.
func fetch(ctx context.Context, client *http.Client, t target, out io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, t.method, t.url, bytes.NewReader(t.body))
	if err != nil {
		return err
	}
	if t.token != "" {
		req.Header.Set("Authorization", "Bearer "+t.token)
	}
	if t.body != nil {
		req.Header.Set("Content-Type", cmp.Or(t.kind, "application/json"))
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1000))
		return fmt.Errorf("%s %s: %s: %s", t.method, t.url, res.Status, text)
	}
	_, err = io.Copy(out, res.Body)
	return err
}
