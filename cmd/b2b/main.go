// Command b2b is the server of the B2B protocol, with its tools, and the command line for agents,
// people and scripts.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/cli"
	"github.com/b2b-protocol/b2b/server"
)

func main() { os.Exit(run()) }

// run runs the command and returns the exit status: 0 done, 1 failed, 2 an import refused orgs. The
// verbs have statuses of their own, see cli.Exit.
func run() int {
	ctx, stop := untilSignal(context.Background())
	defer stop()
	err := newCommand().ExecuteContext(ctx)
	if status, ok := cli.Exit(err); ok {
		return status
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errRefused):
		return 2
	case errors.Is(err, errFailed):
		return 1
	}
	fmt.Fprintf(os.Stderr, "b2b: %v\n", err)
	return 1
}

// untilSignal returns a context that ends at a signal to stop. SIGQUIT means that the server will
// be restarted at once; clients get close code 1012.
func untilSignal(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT)
	go func() {
		select {
		case s := <-signals:
			if s == syscall.SIGQUIT {
				cancel(server.ErrRestart)
			}
			cancel(nil)
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
	}
}

// errFailed means that the command has already reported what went wrong.
var errFailed = errors.New("failed")
