package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/b2b-protocol/b2b/bench/internal/table"
)

// idleFor is how long a process does nothing before its idle memory is read.
const idleFor = 10 * time.Second

// stored is a process with the file of its database.
type stored struct {
	start func() (*process, error)
	path  string
	post  func(ctx context.Context, p *process) (target, error)
}

// resources measures the memory of an idle process and the disk that a message takes.
func resources(ctx context.Context, o options, folder string, r *report) error {
	if !o.wantsRow(table.Idle, table.Disk) {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	idle := table.Row{Name: table.Idle, Unit: "MB", Least: true}
	disk := table.Row{Name: table.Disk, Unit: "KB", Least: true}
	data := filepath.Join(folder, "resources")
	env := []string{"B2B_DATA_DIR=" + data}
	first, err := startServer(ctx, o, env) // the figures are those of an existing database
	if err != nil {
		return err
	}
	w, err := newFixture(ctx, first.url)
	first.stop()
	if err != nil {
		return err
	}
	for n := range o.rounds {
		floor := filepath.Join(folder, fmt.Sprint("resources-", n))
		if err := os.Mkdir(floor, 0o700); err != nil {
			return err
		}
		for _, s := range []struct {
			idle, disk *[]float64
			of         stored
		}{
			{&idle.Floor, &disk.Floor, stored{
				func() (*process, error) { return startBaseline(ctx, self, floor, "") },
				filepath.Join(floor, "baseline.db"),
				func(_ context.Context, p *process) (target, error) {
					return (&fixture{url: p.url, token: "none", peer: "peer"}).post(), nil
				},
			}},
			{&idle.Ours, &disk.Ours, stored{
				func() (*process, error) { return startServer(ctx, o, env) },
				filepath.Join(data, "b2b.db"),
				func(_ context.Context, p *process) (target, error) {
					here := *w
					here.url = p.url
					return here.post(), nil
				},
			}},
		} {
			rss, kb, err := s.of.measure(ctx, o)
			if err != nil {
				return err
			}
			*s.idle, *s.disk = append(*s.idle, rss), append(*s.disk, kb)
		}
	}
	r.add(idle)
	r.add(disk)
	return nil
}

// measure returns the idle memory in MB, and what a message takes on disk in KB.
func (s stored) measure(ctx context.Context, o options) (rss, kb float64, err error) {
	p, err := s.start()
	if err != nil {
		return 0, 0, err
	}
	defer p.stop()
	time.Sleep(idleFor)
	if rss, err = p.rss(); err != nil {
		return 0, 0, err
	}
	t, err := s.post(ctx, p)
	if err != nil {
		return 0, 0, err
	}
	before, err := databaseBytes(ctx, s.path)
	if err != nil {
		return 0, 0, err
	}
	res, err := load(ctx, o.clients, o.time, t)
	if err != nil {
		return 0, 0, err
	}
	after, err := databaseBytes(ctx, s.path)
	return rss, float64(after-before) / 1024 / float64(res.count), err
}

// databaseBytes returns the size of an SQLite database whose log is empty. Another process may
// have it open, but must not write.
func databaseBytes(ctx context.Context, path string) (size int64, err error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var busy, log, moved int
	if err := db.QueryRowContext(ctx, "PRAGMA wal_checkpoint(FULL)").Scan(&busy, &log, &moved); err != nil {
		return 0, fmt.Errorf("write the log of %s to the database: %w", path, err)
	}
	if busy != 0 {
		return 0, fmt.Errorf("the log of %s is in use", path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
