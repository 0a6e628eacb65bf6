package service

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/files"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest/sqltest"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// A file with missing or incomplete bytes is not found, and no part of it is sent (B2B-FILE-026).
func TestFileWithMissingBytes(t *testing.T) {
	t.Parallel()
	st := sqltest.SQLite(t)
	disk := openFiles(t)
	db := narrowed(st)
	s := &fileService{reads: db, core: newCore(Deps{Store: db, Files: disk, Log: slog.New(slog.DiscardHandler), Now: time.Now})}
	err := st.Update(t.Context(), "", func(tx store.Tx) error {
		return tx.CreateOrg(t.Context(), &store.Org{ID: "org-1", Name: "o", SecretHash: "h", Status: store.OrgActive})
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx := call.WithInfo(t.Context(), &call.Info{Caller: &call.Caller{Kind: call.OrgAdmin, OrgID: "org-1"}})
	for id, kept := range map[string]string{"whole": "0123456789", "short": "01234", "long": "0123456789x", "lost": ""} {
		err := st.Update(t.Context(), "org-1", func(tx store.Tx) error {
			return tx.CreateFile(t.Context(), &store.File{ID: id, OrgID: "org-1", Name: id, MIMEType: "text/plain", Size: 10})
		})
		if err != nil {
			t.Fatal(err)
		}
		if kept != "" {
			if _, err := disk.Put(t.Context(), files.Key{Org: "org-1", File: id}, strings.NewReader(kept)); err != nil {
				t.Fatal(err)
			}
		}
		sent := 0
		err = s.GetFile(ctx, &b2bv1.GetFileRequest{Id: id}, func(*b2bv1.GetFileResponse) error { sent++; return nil })
		if id == "whole" {
			if err != nil || sent != 2 {
				t.Errorf("%s: %d messages, %v", id, sent, err)
			}
		} else if !errors.Is(err, call.NotFound("")) || sent != 0 {
			t.Errorf("%s: %d messages, %v", id, sent, err)
		}
	}
}

// fullStore is a store that is full: every change fails.
type fullStore struct{ *sqlstore.Store }

func (fullStore) Update(context.Context, string, func(store.Tx) error) error {
	return &store.Outage{Full: true, Err: errors.New("disk full")}
}

// An upload to a full database leaves no bytes, so that a client that repeats it does not fill the
// disk of the files as well (B2B-FILE-010).
func TestUploadToAFullDatabase(t *testing.T) {
	t.Parallel()
	st := sqltest.SQLite(t)
	err := st.Update(t.Context(), "", func(tx store.Tx) error {
		return tx.CreateOrg(t.Context(), &store.Org{ID: "org-1", Name: "o", SecretHash: "h", Status: store.OrgActive})
	})
	if err != nil {
		t.Fatal(err)
	}
	disk := openFiles(t)
	full := narrowed(fullStore{st})
	s := &fileService{gate: newGate(), reads: full, core: newCore(Deps{
		Store: full, Files: disk, Log: slog.New(slog.DiscardHandler), Now: time.Now, Config: Config{MaxFileSizeMB: 1, FileUploadMBPerDay: 1},
	})}
	ctx := call.WithInfo(t.Context(), &call.Info{Caller: &call.Caller{Kind: call.Bot, OrgID: "org-1", BotID: "bot-1"}})
	_, err = s.UploadFile(ctx, pieces(named("a", ""), data("text")))
	if e, _ := call.AsError(err); err == nil || e.Code != b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE {
		t.Errorf("without room: %v", err)
	}
	err = disk.Walk(t.Context(), func(org string, page []files.Stored) error {
		t.Errorf("left: %s %v", org, page)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
