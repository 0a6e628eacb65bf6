package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	nodes "github.com/b2b-protocol/b2b/internal/node"
	"github.com/b2b-protocol/b2b/internal/search"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/server/config"
)

// reindexing holds the arguments of one run of `b2b reindex`.
type reindexing struct {
	config.Config
	org      string // empty: all
	out, log io.Writer
}

func reindexCommand() *cobra.Command {
	var do reindexing
	cmd := &cobra.Command{
		Use:   "reindex",
		Short: "Make the search index anew",
		Long: "Make the search index of all orgs, or of one, anew from the database. It can be\n" +
			"interrupted: a server, or another run, goes on where it was.\n\n" +
			"With PostgreSQL servers may run meanwhile; searches find what is indexed already.\n" +
			"The embedded database has one process, so its server must be stopped.",
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
	f.StringVar(&do.org, "org", "", "only the org with this `id`")
	f.String("data", "", "data `folder` of the embedded database (default ./data)")
	f.String("database", "", "`URL` of the PostgreSQL; empty uses the embedded database")
	return cmd
}

func (do *reindexing) run(ctx context.Context) (err error) {
	log := slog.New(slog.NewTextHandler(do.log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	st, err := sqlstore.Open(ctx, sqlstore.Config{URL: do.StorePath(), Logger: log})
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	self := nodes.New(nodes.Config{Store: nodeStore(st), Single: do.Embedded(), Log: log})
	if err := self.Start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, self.End(context.WithoutCancel(ctx))) }()
	x := search.New(search.Config{Store: searchStore(st), Node: self, Log: log})
	orgs := []string{do.org}
	if do.org == "" {
		if orgs, err = orgsOf(ctx, st); err != nil {
			return err
		}
	} else if _, err := st.Org(ctx, do.org); err != nil {
		return fmt.Errorf("org %s: %w", do.org, err)
	}
	for _, org := range orgs {
		if err := x.Reset(ctx, org); err != nil {
			return err
		}
	}
	for _, org := range orgs {
		begun := time.Now()
		if err := do.index(ctx, x, self, org); err != nil {
			return err
		}
		docs := int64(0)
		if state, err := st.SearchState(ctx, org); err == nil {
			docs = state.Docs
		} else if !errors.Is(err, store.ErrNotFound) { // the org was deleted
			return fmt.Errorf("read the state of the index: %w", err)
		}
		if _, err := fmt.Fprintf(do.out, "org %s: %d documents in %v\n", org, docs, time.Since(begun).Round(time.Millisecond)); err != nil {
			return err
		}
	}
	return nil
}

// index does all the work on the index of an org that there is.
func (do *reindexing) index(ctx context.Context, x *search.Indexer, self *nodes.Node, org string) error {
	for {
		if err := self.Ensure(ctx); err != nil {
			return err
		}
		more, err := x.Step(ctx, org)
		if err != nil || !more {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted: a server goes on with the index (%w)", ctx.Err())
		}
	}
}

// orgsOf lists all orgs.
func orgsOf(ctx context.Context, st *sqlstore.Store) (ids []string, err error) {
	const atOnce = 500
	for after := (*store.PageKey)(nil); ; {
		orgs, err := st.Orgs(ctx, after, atOnce)
		if err != nil {
			return nil, fmt.Errorf("list the orgs: %w", err)
		}
		for _, o := range orgs {
			ids, after = append(ids, o.ID), &store.PageKey{At: o.CreatedAt, ID: o.ID}
		}
		if len(orgs) < atOnce {
			return ids, nil
		}
	}
}
