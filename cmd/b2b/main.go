// Command b2b is the server of the B2B protocol, and what one needs around it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(run()) }

// run does everything and answers the exit status: 0 done, 1 failed.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := newCommand().ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errFailed):
		return 1
	}
	fmt.Fprintf(os.Stderr, "b2b: %v\n", err)
	return 1
}

// errFailed says that the command has told already what went wrong.
var errFailed = errors.New("failed")
