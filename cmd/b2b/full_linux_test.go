package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// room limits how far into a file the server can write, in bytes: beyond that the disk is full.
func (n *node) room(size uint64) {
	n.t.Helper()
	limit := syscall.Rlimit{Cur: size, Max: noLimit}
	_, _, errno := syscall.Syscall6(syscall.SYS_PRLIMIT64, uintptr(n.cmd.Process.Pid), syscall.RLIMIT_FSIZE, uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
	if errno != 0 {
		n.t.Fatalf("limit the files of the server: %v", errno)
	}
}

const noLimit = ^uint64(0)

// TestFullDisk fills the disk: for an upload that is larger than the remaining space, for the row
// of an upload with room for its bytes, and for everything. Writers get a stable code, acknowledged
// data can be read all the time, nothing refused is kept, the server recovers by itself when there
// is space, and a refused call does not use up its request_id (B2B-FILE-010, B2B-ERR-003).
func TestFullDisk(t *testing.T) {
	t.Parallel()
	const quota = 40 << 20
	data := t.TempDir()
	n := serve(t, data)
	_, bots := n.team("writer", "reader")
	writer := bots["writer"]
	writer.quota(quota >> 20)
	files := map[string][]byte{} // by url
	used := 0
	keep := func(answer map[string]any, b []byte) {
		files[answer["url"].(string)] = b
		used += len(b)
	}
	upload := func(b []byte, id string, status int, code any) map[string]any {
		t.Helper()
		got, answer, header := writer.upload("f", b, id)
		if got != status || answer["code"] != code {
			t.Errorf("upload of %d bytes: %d %v, want %d %v", len(b), got, answer, status, code)
		}
		if status == http.StatusServiceUnavailable && (header.Get("Retry-After") == "" || answer["hint"] == nil) {
			t.Errorf("upload of %d bytes: no word on what to do: %v", len(b), answer)
		}
		return answer
	}
	thread := writer.must("POST", "/api/threads", map[string]any{"topic": "full", "participants": []string{"reader"}})
	messages := "/api/threads/" + thread["id"].(string) + "/messages"
	sent := 0 // each message contains its number
	send := func(status int) {
		t.Helper()
		got, answer, header := writer.try("POST", messages, map[string]any{
			"content": fmt.Sprint(sent, strings.Repeat(" ", 20_000), "end"), "request_id": fmt.Sprint("message ", sent),
		})
		switch {
		case got != status:
			t.Errorf("message %d: %d %v", sent, got, answer)
		case got == http.StatusOK:
			sent++
		case answer["code"] != "UNAVAILABLE" || answer["hint"] == nil || header.Get("Retry-After") == "":
			t.Errorf("message without room: %v, Retry-After %q", answer, header.Get("Retry-After"))
		}
	}
	intact := func() {
		t.Helper()
		for url, b := range files {
			writer.has(url, b)
		}
		var items []any
		for cursor := ""; ; {
			page := bots["reader"].must("GET", messages+"?limit=200&cursor="+cursor, nil)
			items = append(items, page["items"].([]any)...)
			if page["has_more"] != true {
				break
			}
			cursor = page["next_cursor"].(string)
		}
		for i, item := range items { // the last one first
			content, _ := item.(map[string]any)["content"].(string)
			if which, _, _ := strings.Cut(content, " "); which != fmt.Sprint(sent-1-i) {
				t.Errorf("message %s is where %d was", which, sent-1-i)
			}
		}
		if len(items) != sent {
			t.Errorf("%d messages are there, %d were acknowledged", len(items), sent)
		}
	}
	b := someBytes(300_000)
	keep(upload(b, "", http.StatusOK, nil), b)
	for range 150 {
		send(http.StatusOK)
	}
	log := filepath.Join(data, "b2b.db-wal")
	if info, err := os.Stat(log); err != nil || info.Size() < 2<<20 {
		t.Fatalf("the log of the database is not where this test needs it: %+v, %v", info, err)
	}

	n.room(16 << 20)
	large := someBytes(20 << 20)
	upload(large, "large", http.StatusServiceUnavailable, "UNAVAILABLE")
	send(http.StatusOK)
	intact()

	n.room(1 << 20) // behind which the database is writing
	upload(b, "b", http.StatusServiceUnavailable, "UNAVAILABLE")
	send(http.StatusServiceUnavailable)
	intact()

	n.room(0)
	for range 3 {
		upload(b, "b", http.StatusServiceUnavailable, "UNAVAILABLE")
		send(http.StatusServiceUnavailable)
	}
	intact()
	if _, staged := filesIn(t, data); len(staged) > 0 {
		t.Errorf("%d uploads are left", len(staged))
	}

	n.room(noLimit)
	send(http.StatusOK)
	first := upload(b, "b", http.StatusOK, nil)
	keep(first, b)
	if again := upload(b, "b", http.StatusOK, nil); again["id"] != first["id"] {
		t.Errorf("sent again: %v, was %v", again, first)
	}
	keep(upload(large, "large", http.StatusOK, nil), large)
	intact()

	n.room(0) // and the power goes
	send(http.StatusServiceUnavailable)
	n.kill()
	n = serve(t, data)
	for _, bot := range bots {
		bot.url = n.URL
	}
	intact()
	send(http.StatusOK)
	writer.spent(used, quota)
	if logs := n.logs.String(); containsError(logs) {
		t.Errorf("errors in the log after the restart:\n%s", logs)
	}
}
