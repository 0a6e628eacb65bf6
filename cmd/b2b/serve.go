package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/b2b-protocol/b2b/internal/concurrency"
	"github.com/b2b-protocol/b2b/internal/importer"
	"github.com/b2b-protocol/b2b/server"
	"github.com/b2b-protocol/b2b/server/config"
)

func serveCommand() *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: "Run the server until it is stopped (Ctrl-C or SIGTERM).\n\n" +
			"Every setting can be given as an environment variable (B2B_PORT, B2B_ADMIN_SECRET,\n" +
			"B2B_DATABASE_URL, …; the HXA_CONNECT_* names work, too) or as a flag, which takes precedence.\n" +
			"The admin secret has no flag, so that it does not show in process lists.\n" +
			"An invalid setting is an error at the start; --check only checks all settings.",
		Example: "  B2B_ADMIN_SECRET=$(openssl rand -hex 32) b2b serve --data ./data\n" +
			"  b2b serve --check",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Load(settings(cmd.Flags()))
			if err != nil {
				return err
			}
			warnings := append(cfg.Warnings(), config.Unknown(os.Environ())...)
			if check {
				return printSettings(cmd.OutOrStdout(), cfg, warnings)
			}
			return runServer(cmd, cfg, warnings)
		},
	}
	f := cmd.Flags()
	f.String("host", "", "`address` to listen on (default 0.0.0.0; with --dev 127.0.0.1)")
	f.String("port", "", "`number` of the port to listen on; 0 takes a free one (default 4800)")
	f.String("data", "", "`folder` of the embedded database and of files (default ./data)")
	f.String("database", "", "`URL` of PostgreSQL; empty uses the embedded database")
	f.Bool("dev", false, "development: no admin secret needed, cookies without TLS, on this machine alone")
	f.String("log-level", "", "debug, info, warn or error (default info; with --dev debug)")
	f.BoolVar(&check, "check", false, "print the effective settings, and exit with 0, or 1 if one cannot be used")
	return cmd
}

// settings returns a lookup in the flags and the environment.
func settings(flags *pflag.FlagSet) config.Lookup {
	env := config.Env(os.Getenv)
	return func(name string) (string, bool) {
		flag, ok := strings.CutPrefix(name, "--")
		if !ok {
			return env(name)
		}
		if f := flags.Lookup(flag); f != nil && f.Changed {
			return f.Value.String(), true
		}
		return "", false
	}
}

// printSettings writes the effective settings, for people (B2B-ENV-010).
func printSettings(w io.Writer, cfg config.Config, warnings []string) error {
	var b strings.Builder
	for _, s := range cfg.Settings() {
		fmt.Fprintf(&b, "%-28s %s\n", s.Name, s.Value)
	}
	for _, warning := range warnings {
		fmt.Fprintf(&b, "warning: %s\n", warning)
	}
	b.WriteString("The settings can be used.\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func runServer(cmd *cobra.Command, cfg config.Config, warnings []string) error {
	log := newLogger(cmd.ErrOrStderr(), cfg.LogLevel)
	redis.SetLogger(redisLog{log})
	log.LogAttrs(cmd.Context(), slog.LevelInfo, "starting", append(cfg.Facts(), slog.String("version", server.Version))...)
	for _, warning := range warnings {
		log.WarnContext(cmd.Context(), warning)
	}
	if old := notImported(cfg); old != "" {
		log.WarnContext(cmd.Context(), "the data folder holds a database of HXA-Connect, which this server does not read: it starts with an empty one. "+
			"To bring the old one over, stop the server and run b2b import --from "+old+" --data "+cfg.DataDir, "file", old)
	}
	scheduler, err := concurrency.Prepare()
	if err != nil {
		log.InfoContext(cmd.Context(), "the time slices of threads stay as they are: small calls may wait longer for large ones", "error", err)
	}
	cfg.Scheduler = scheduler
	if cfg.Now, err = clock(); err != nil {
		return err
	}
	s, err := server.New(cmd.Context(), cfg, log)
	if err != nil {
		return err
	}
	memory, stop := context.WithCancel(context.WithoutCancel(cmd.Context()))
	var tuner sync.WaitGroup
	tuner.Go(func() { tuneMemory(memory) })
	err = s.Run(cmd.Context())
	stop()
	tuner.Wait()
	return err
}

// notImported returns the HXA-Connect database in the data folder of a server that has no database
// of its own yet; "" if there is none (B2B-ENV-053).
func notImported(cfg config.Config) string {
	if !cfg.Embedded() {
		return ""
	}
	if _, err := os.Stat(cfg.StorePath()); err == nil {
		return ""
	}
	old := filepath.Join(cfg.DataDir, importer.SourceFile)
	if _, err := os.Stat(old); err != nil {
		return ""
	}
	return old
}

// newLogger returns a logger that writes one JSON object per line.
func newLogger(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
}
