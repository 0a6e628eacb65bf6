package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/coder/websocket"
)

// orgSize is the number of idle bots in one org. Each receives the presence events of the others.
const orgSize = 50

// idle measures the memory of idle connections, one per bot, on a separate server.
func idle(ctx context.Context, o options, folder string, r *report) error {
	files, err := raiseFiles()
	if err != nil {
		return fmt.Errorf("raise the limit of open files: %w", err)
	}
	n := min(o.idle, int(files)-200)
	r.note("limit of open files: %d", files)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ours, err := startServer(ctx, o, []string{"B2B_DATA_DIR=" + filepath.Join(folder, "idle")})
	if err != nil {
		return err
	}
	defer ours.stop()
	var tokens []string
	for len(tokens) < n {
		c, err := newCrowd(ctx, ours.url, fmt.Sprintf("idle-%d", len(tokens)), min(orgSize, n-len(tokens)))
		if err != nil {
			return err
		}
		tokens = append(tokens, c.tokens...)
	}
	before, _, err := quietRSS(ctx, ours)
	if err != nil {
		return err
	}
	conns := make([]*websocket.Conn, n)
	begin := time.Now()
	var all errgroup.Group
	all.SetLimit(32)
	for i, token := range tokens {
		all.Go(func() (err error) {
			if conns[i], err = connect(ctx, ours.url, token, ""); err == nil {
				conns[i].SetReadLimit(-1)
				go drain(ctx, conns[i])
			}
			return err
		})
	}
	if err := all.Wait(); err != nil {
		return err
	}
	opened := time.Since(begin)
	for _, conn := range conns[:min(n, 100)] { // check that the connections are open
		if err := conn.Ping(ctx); err != nil {
			return fmt.Errorf("an idle connection is closed: %w", err)
		}
	}
	after, waited, err := quietRSS(ctx, ours)
	if err != nil {
		return err
	}
	r.note("%d connections of as many bots opened in %.1f s; RSS %.0f MB before, %.0f MB quiet after %.0f s", n, opened.Seconds(), before, after, waited.Seconds())
	r.most("idle WebSocket connection", (after-before)*1024/float64(n), 12, "KB RSS")
	return nil
}

// drain reads until the connection ends.
func drain(ctx context.Context, conn *websocket.Conn) {
	for {
		if _, _, err := conn.Read(ctx); err != nil {
			return
		}
	}
}

// quietRSS waits until the memory of a process has not shrunk for ten seconds, at most three
// minutes, and returns it in MB.
func quietRSS(ctx context.Context, p *process) (mb float64, waited time.Duration, err error) {
	return stillRSS(ctx, p, 10*time.Second, 3*time.Minute)
}

// stillRSS waits until the memory of a process has not shrunk for some time, at most as long as
// most, and returns it in MB.
func stillRSS(ctx context.Context, p *process, still, most time.Duration) (mb float64, waited time.Duration, err error) {
	begin := time.Now()
	least, since := 0.0, begin
	for time.Since(begin) < most && ctx.Err() == nil {
		if mb, err = p.rss(); err != nil {
			return 0, 0, err
		}
		if least == 0 || mb < least-0.5 {
			least, since = mb, time.Now()
		}
		if time.Since(since) > still {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	return mb, time.Since(begin), ctx.Err()
}
