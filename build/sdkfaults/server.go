package main

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/b2b-protocol/b2b/build/orgs"

	_ "modernc.org/sqlite" // to replace the event log of a server that is down
)

// server is the built server, which keeps its data when it is killed and started again.
type server struct {
	binary, folder string
	cmd            *exec.Cmd
	log            sync.WaitGroup
	addr           atomic.Value // host:port
	verbose        bool
}

const adminSecret = "sdk-faults"

var listening = regexp.MustCompile(`"msg":"listening","addr":"([^"]+)"`)

// start starts the server on a free port.
func (s *server) start() error {
	s.cmd = exec.Command(s.binary, "serve")
	s.cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.folder, "B2B_DATA_DIR=" + filepath.Join(s.folder, "data"),
		"B2B_HOST=127.0.0.1", "B2B_PORT=0", "B2B_ADMIN_SECRET=" + adminSecret, "B2B_LOG_LEVEL=info",
	}
	out, err := s.cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	ready := make(chan string, 1)
	s.log.Go(func() {
		defer close(ready)
		lines := bufio.NewScanner(out)
		for found := false; lines.Scan(); {
			if s.verbose {
				fmt.Println("server:", lines.Text())
			}
			if m := listening.FindSubmatch(lines.Bytes()); m != nil && !found {
				found = true
				ready <- string(m[1])
			}
		}
	})
	addr, ok := <-ready
	if !ok {
		return fmt.Errorf("the server ended before it was listening: %w", s.cmd.Wait())
	}
	s.addr.Store(addr)
	return nil
}

// address returns the host and port of the server, of its last life if it is down.
func (s *server) address() string { return s.addr.Load().(string) }

// kill ends the server at once.
func (s *server) kill() {
	if s.cmd != nil && s.cmd.Process != nil {
		_ = s.cmd.Process.Kill() // it may have ended
		s.log.Wait()
		_ = s.cmd.Wait() // killed
	}
}

// replaceLogs gives the event logs another epoch, as if they had been restored. The server is down.
func (s *server) replaceLogs() error {
	db, err := sql.Open("sqlite", filepath.Join(s.folder, "data", "b2b.db"))
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	_, err = db.Exec("UPDATE org_logs SET epoch = epoch || 'x'")
	if closed := db.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("replace the event logs: %w", err)
	}
	return nil
}

// call sends a request of a bot to the server itself, and reads the JSON of the response.
func (s *server) call(ctx context.Context, method, path, token string, body, into any) error {
	_, err := orgs.Call(ctx, method, "http://"+s.address()+path, orgs.Bearer(token), body, into)
	return err
}

// team makes an org with these bots, and returns their tokens.
func (s *server) team(ctx context.Context, names ...string) (tokens map[string]string, err error) {
	admin, err := orgs.Login(ctx, "http://"+s.address(), adminSecret)
	if err != nil {
		return nil, err
	}
	org, err := admin.Org(ctx, "faults", names...)
	if err != nil {
		return nil, err
	}
	tokens = map[string]string{}
	for i, name := range names {
		tokens[name] = org.Tokens[i]
	}
	err = s.call(ctx, http.MethodPatch, "/api/org/settings", org.Tokens[0], map[string]int{"messages_per_minute_per_bot": 1_000_000_000}, nil)
	return tokens, err
}

// present returns the position of the present.
func (s *server) present(ctx context.Context, token string) (string, error) {
	var page struct {
		Position string `json:"stream_cursor"`
	}
	since := time.Now().Add(time.Hour).UnixMilli()
	err := s.call(ctx, http.MethodGet, fmt.Sprintf("/api/me/catchup?since=%d", since), token, nil, &page)
	return page.Position, err
}

// messages returns the contents of the messages in the only channel of a bot, in order.
func (s *server) messages(ctx context.Context, token, bot string) (contents []string, err error) {
	var channels []struct {
		ID string `json:"id"`
	}
	if err := s.call(ctx, http.MethodGet, "/api/bots/"+bot+"/channels", token, nil, &channels); err != nil {
		return nil, err
	}
	if len(channels) != 1 {
		return nil, fmt.Errorf("%s has %d channels", bot, len(channels))
	}
	for before := ""; ; {
		var page struct {
			Messages []struct {
				ID      string `json:"id"`
				Content string `json:"content"`
			} `json:"messages"`
		}
		query := map[string]any{"channel_id": channels[0].ID, "limit": 100}
		if before != "" {
			query["before"] = before
		}
		if err := s.call(ctx, http.MethodPost, "/b2b.v1.ChannelService/ListChannelMessages", token, query, &page); err != nil {
			return nil, err
		}
		if len(page.Messages) == 0 {
			slices.Reverse(contents)
			return contents, nil
		}
		if before == "" { // the first page has the oldest first, the others have the newest first
			slices.Reverse(page.Messages)
		}
		for _, m := range page.Messages {
			contents, before = append(contents, m.Content), m.ID
		}
	}
}
