package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/b2b-protocol/b2b/server"
)

func serveCommand() *cobra.Command {
	cfg := server.ConfigFromEnv(os.Getenv)
	level := cfg.LogLevel.String()
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: "Run the server until it is told to stop (Ctrl-C or SIGTERM).\n\n" +
			"Every setting can be given as an environment variable (B2B_PORT, B2B_ADMIN_SECRET,\n" +
			"B2B_DATABASE_URL, …; the HXA_CONNECT_* names work, too) or as a flag; the flag wins.\n" +
			"The admin secret has no flag, so that it does not show in process lists.",
		Example: "  B2B_ADMIN_SECRET=$(openssl rand -hex 32) b2b serve --data ./data",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cfg.LogLevel.UnmarshalText([]byte(level)); err != nil {
				return fmt.Errorf("--log-level %q: must be debug, info, warn or error", level)
			}
			log := newLogger(cmd.ErrOrStderr(), cfg.LogLevel)
			redis.SetLogger(redisLog{log})
			s, err := server.New(cmd.Context(), cfg, log)
			if err != nil {
				return err
			}
			memory, stop := context.WithCancel(context.WithoutCancel(cmd.Context()))
			var keeper sync.WaitGroup
			keeper.Go(func() { keepMemory(memory) })
			err = s.Run(cmd.Context())
			stop()
			keeper.Wait()
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&cfg.Host, "host", cfg.Host, "address to listen on")
	f.IntVar(&cfg.Port, "port", cfg.Port, "port to listen on; 0 takes a free one")
	f.StringVar(&cfg.DataDir, "data", cfg.DataDir, "folder of the embedded database")
	f.StringVar(&cfg.DatabaseURL, "database", cfg.DatabaseURL, "PostgreSQL URL; empty uses the embedded database")
	f.BoolVar(&cfg.DevMode, "dev", cfg.DevMode, "development: no admin secret needed, cookies without TLS")
	f.StringVar(&level, "log-level", level, "debug, info, warn or error")
	return cmd
}

// newLogger writes structured lines: one JSON object a line, as log collectors
// want them.
func newLogger(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
}
