package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/b2b-protocol/b2b/internal/importer"
)

// progress shows the progress of an import: as a bar on a terminal, else as a line every few
// seconds.
type progress struct {
	out      io.Writer
	terminal bool
	shown    bool
	last     time.Time
}

const (
	barWidth  = 30
	lineEvery = 5 * time.Second
)

func (p *progress) show(at importer.Progress) {
	if at.Total == 0 {
		return
	}
	percent := 100 * at.Done / at.Total
	if !p.terminal {
		if now := time.Now(); now.Sub(p.last) >= lineEvery || at.Done == at.Total {
			p.last = now
			fmt.Fprintf(p.out, "%d of %d rows, %d %% (%s)\n", at.Done, at.Total, percent, at.Doing)
		}
		return
	}
	full := int(barWidth * at.Done / at.Total)
	bar := strings.Repeat("█", full) + strings.Repeat("░", barWidth-full)
	fmt.Fprintf(p.out, "\r%s %3d %%  %d of %d rows  %-24s", bar, percent, at.Done, at.Total, at.Doing)
	p.shown = true
}

// end moves to the line after the bar.
func (p *progress) end() {
	if p.shown {
		fmt.Fprintln(p.out)
	}
}

// isTerminal reports whether a writer is a terminal that can rewrite a line.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}
