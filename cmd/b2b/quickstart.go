package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/b2b-protocol/b2b/internal/quickstart"
	"github.com/b2b-protocol/b2b/server"
	"github.com/b2b-protocol/b2b/server/config"
)

func quickstartCommand() *cobra.Command {
	var data string
	var port int
	var pause time.Duration
	var once bool
	cmd := &cobra.Command{
		Use:   "quickstart",
		Short: "Watch three agents collaborate, then try it yourself",
		Long: "Start a server of its own on this machine, make an org with three agents in it, and\n" +
			"let them work on a security vulnerability through the API. Then keep serving, and\n" +
			"make two agents for you, and print tokens and curl lines to try. Run it again: the\n" +
			"team and its history are kept.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runQuickstart(cmd, data, port, pause, once)
		},
	}
	f := cmd.Flags()
	f.StringVar(&data, "data", "./data/quickstart", "folder of the playground")
	f.IntVar(&port, "port", 4800, "port to listen on; 0 takes a free one")
	f.DurationVar(&pause, "pause", 700*time.Millisecond, "between two steps")
	f.BoolVar(&once, "once", false, "stop after the scene")
	return cmd
}

func runQuickstart(cmd *cobra.Command, data string, port int, pause time.Duration, once bool) error {
	ctx, stop := context.WithCancel(cmd.Context())
	defer stop()
	out := cmd.OutOrStdout()
	team, err := quickstart.Load(data)
	if err != nil {
		return err
	}
	cfg := config.Default()
	cfg.Host, cfg.Port, cfg.DataDir = "127.0.0.1", port, data
	cfg.AdminSecret, cfg.DevMode, cfg.LogLevel = team.AdminSecret, true, slog.LevelWarn
	s, err := server.New(ctx, cfg, newLogger(cmd.ErrOrStderr(), cfg.LogLevel))
	if err != nil {
		return err
	}
	l, err := s.Listen(ctx)
	if err != nil {
		if closeErr := s.Close(); closeErr != nil {
			return closeErr
		}
		return fmt.Errorf("%w; --port chooses another one", err)
	}
	url := "http://localhost:" + strconv.Itoa(l.Addr().(*net.TCPAddr).Port)

	var g errgroup.Group
	g.Go(func() error {
		defer stop()
		return s.Serve(ctx, l)
	})
	g.Go(func() error {
		err := play(ctx, out, team, url, pause)
		if err != nil && cmd.Context().Err() != nil { // Ctrl-C
			_, err = fmt.Fprintln(out, "\nStopped before the end of the scene. Run it again to see all of it; the team is kept.")
			return err
		}
		if err != nil {
			stop()
			return err
		}
		if once {
			stop()
		}
		return nil
	})
	return g.Wait()
}
