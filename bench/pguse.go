package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// postgresUse is what a PostgreSQL on this machine has used up.
type postgresUse struct {
	cpu  time.Duration
	size int64 // of the database, in bytes
	log  int64 // written to the write-ahead log, in bytes
}

// usePostgres measures a PostgreSQL that runs on this machine.
func usePostgres(ctx context.Context, url string) (u postgresUse, err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return u, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	var pid int
	row := conn.QueryRow(ctx, `SELECT pg_backend_pid(), pg_database_size(current_database()), pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint`)
	if err := row.Scan(&pid, &u.size, &u.log); err != nil {
		return u, fmt.Errorf("ask PostgreSQL what it uses: %w", err)
	}
	backend, err := statOf(pid)
	if err != nil {
		return u, fmt.Errorf("find the processes of PostgreSQL, which must run on this machine: %w", err)
	}
	u.cpu, err = familyCPU(backend.parent)
	return u, err
}

// stat is a part of /proc/PID/stat.
type stat struct {
	parent int
	own    time.Duration
	waited time.Duration // of children that have ended
}

// parseStat reads the text of /proc/PID/stat.
func parseStat(text string) (s stat, err error) {
	// The name in parentheses can contain any character. The fields after it begin with the state.
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 15 {
		return s, errors.New("the status of a process has too few fields")
	}
	if s.parent, err = strconv.Atoi(fields[1]); err != nil {
		return s, err
	}
	var ticks [4]int
	for i, field := range fields[11:15] { // utime, stime, cutime, cstime
		if ticks[i], err = strconv.Atoi(field); err != nil {
			return s, err
		}
	}
	s.own = time.Duration(ticks[0]+ticks[1]) * time.Second / userHertz
	s.waited = time.Duration(ticks[2]+ticks[3]) * time.Second / userHertz
	return s, nil
}

func statOf(pid int) (stat, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	return parseStat(string(text))
}

// familyCPU returns the processor time of a process and its children, those that have ended
// included.
func familyCPU(pid int) (time.Duration, error) {
	s, err := statOf(pid)
	if err != nil {
		return 0, err
	}
	total := s.own + s.waited
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the process has ended
		}
		child, err := parseStat(string(text))
		if err == nil && child.parent == pid {
			total += child.own
		}
	}
	return total, nil
}
