package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"github.com/b2b-protocol/b2b/internal/importer"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/vault"
	"github.com/b2b-protocol/b2b/server"
	"github.com/b2b-protocol/b2b/server/config"
)

// importCacheMB is the memory that the embedded database may use during an import, in MiB.
const importCacheMB = 256

// importing holds the arguments of one run of `b2b import`.
type importing struct {
	config.Config
	from, files  string
	dryRun, json bool
	out, log     io.Writer // the report; progress and warnings
}

func importCommand() *cobra.Command {
	var do importing
	cmd := &cobra.Command{
		Use:   "import --from <hxa-connect.db | data folder | postgres URL>",
		Short: "Import an HXA-Connect database",
		Long: "Import everything of an HXA-Connect 1.x database, with the same ids: tokens, secrets,\n" +
			"tickets and invite codes keep working. The old database is only read. An org is\n" +
			"imported whole or not at all. Run it again after an interruption, or to import new data.\n\n" +
			"The target is named as for serve: --data, or --database for PostgreSQL.\n\n" +
			"Exit status: 0 everything is here; 1 it failed, and the orgs reported as imported\n" +
			"are here; 2 orgs were refused, the report says why.",
		Example: "  b2b import --from ./data --dry-run\n" +
			"  b2b import --from postgres://localhost/hxa --files ./data --database postgres://localhost/b2b",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			do.out, do.log = cmd.OutOrStdout(), cmd.ErrOrStderr()
			var err error
			if do.Config, err = config.LoadStorage(settings(cmd.Flags())); err != nil {
				return err
			}
			return do.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&do.from, "from", "", "what to import: the database file, its data folder, or a PostgreSQL URL")
	f.StringVar(&do.files, "files", "", "folder that holds the old files/; needed beside PostgreSQL (default: that of the database file)")
	f.String("data", "", "data `folder` to import to: the embedded database and the files (default ./data)")
	f.String("database", "", "`URL` of the PostgreSQL to import to; empty uses the embedded database")
	f.BoolVar(&do.dryRun, "dry-run", false, "report what an import into this target would do, and change nothing")
	f.BoolVar(&do.json, "json", false, "report as JSON")
	if err := cmd.MarkFlagRequired("from"); err != nil {
		panic(err) // the flag is defined above
	}
	return cmd
}

func (do *importing) run(ctx context.Context) (err error) {
	if sameDatabase(do.from, do.DatabaseURL) {
		return errors.New("--from and --database are the same database: the old one is only read, so name a new one (the old variable HXA_CONNECT_DATABASE_URL names the target, too)")
	}
	src, err := importer.Open(ctx, do.from, do.files)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	bar := &progress{out: do.log, terminal: isTerminal(do.log)}
	im := &importer.Importer{Source: src, NoNUL: !do.Embedded(), Now: time.Now, Progress: bar.show}
	var dry *rehearsal
	if do.dryRun {
		if dry, err = do.rehearse(ctx, im); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, dry.close()) }()
	} else {
		closeTarget, err := do.openTarget(ctx, im)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, closeTarget()) }()
	}
	report, err := im.Run(ctx)
	bar.end()
	if err == nil && dry != nil {
		var grown int64
		if grown, err = dry.grown(); err == nil {
			err = do.room(grown, report.FileBytes)
		}
	}
	if e := do.report(report); e != nil {
		return errors.Join(err, e)
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("the import was interrupted: run it again to go on (%w)", ctx.Err())
	case err != nil:
		return err
	case report.Failed():
		return errRefused
	}
	return nil
}

// openTarget opens the database and files to import to. No server may be using them.
func (do *importing) openTarget(ctx context.Context, im *importer.Importer) (closeAll func() error, err error) {
	if err := os.MkdirAll(do.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	if do.Embedded() {
		// The import of an org locks the embedded database until it is done, for longer than any
		// writer or reader of a server could wait.
		if err := sqlstore.InUse(ctx, do.StorePath()); err != nil {
			return nil, err
		}
	}
	st, err := sqlstore.Open(ctx, sqlstore.Config{URL: do.StorePath(), CacheMB: importCacheMB, NoTimeouts: true})
	if err != nil {
		return nil, fmt.Errorf("open the database to import to: %w", err)
	}
	log := slog.New(slog.NewTextHandler(do.log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	bytes, err := server.OpenFiles(ctx, do.Config, st, log)
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	keys, err := vault.Open(ctx, vault.Config{Store: vaultStore(st), Files: bytes, Keys: do.SecretKeys, Log: log})
	if err != nil {
		return nil, errors.Join(err, bytes.Close(), st.Close())
	}
	im.Store, im.Files, im.Keys = importerStore(st), bytes, keys
	return func() error { return errors.Join(bytes.Close(), st.Close()) }, nil
}

// sameDatabase reports whether two PostgreSQL URLs are of the same database.
func sameDatabase(from, to string) bool {
	if !sqlstore.IsPostgres(from) || !sqlstore.IsPostgres(to) {
		return false
	}
	a, errA := pgconn.ParseConfig(from)
	b, errB := pgconn.ParseConfig(to)
	return errA == nil && errB == nil && a.Host == b.Host && a.Port == b.Port && a.Database == b.Database
}

// errRefused means that orgs were refused, as the report shows.
var errRefused = fmt.Errorf("orgs were refused: %w", errFailed)

func (do *importing) report(r *importer.Report) error {
	if do.json {
		e := json.NewEncoder(do.out)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	_, err := io.WriteString(do.out, reportText(r))
	return err
}

// reportText returns the report for people.
func reportText(r *importer.Report) string {
	var b strings.Builder
	verb := "carried"
	if r.DryRun {
		verb = "would carry"
	}
	fmt.Fprintf(&b, "HXA-Connect %s on %s\n\n%-22s %10s %12s %10s %10s %10s\n", r.Version, r.Source, "table", "rows", verb, "skipped", "present", "refused")
	for _, t := range r.Tables {
		fmt.Fprintf(&b, "%-22s %10d %12d %10d %10d %10d\n", t.Table, t.Rows, t.Carried, t.Skipped, t.Present, t.Refused)
	}
	b.WriteString("\norgs\n")
	for _, o := range r.Orgs {
		outcome := string(o.Outcome)
		if r.DryRun && (o.Outcome == importer.Imported || o.Outcome == importer.Replaced) {
			outcome = "would be " + outcome
		}
		fmt.Fprintf(&b, "  %s %q: %s", o.ID, o.Name, outcome)
		if o.Why != "" {
			b.WriteString(", " + o.Why)
		}
		b.WriteByte('\n')
	}
	for _, part := range []struct {
		title string
		notes []importer.Note
	}{{"skipped", r.Skipped}, {"changed", r.Changed}} {
		if len(part.notes) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%s\n", part.title)
		for _, n := range part.notes {
			fmt.Fprintf(&b, "  %s: %d, %s%s\n", n.Table, n.Rows, n.Why, someIDs(n.IDs))
		}
	}
	return b.String()
}

// someIDs returns the first ids of a note; --json has more.
func someIDs(ids []string) string {
	const most = 5
	if len(ids) == 0 {
		return ""
	}
	text := " (" + strings.Join(ids[:min(most, len(ids))], ", ")
	if len(ids) > most {
		text += ", …"
	}
	return text + ")"
}
