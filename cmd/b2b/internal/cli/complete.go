package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/profile"
	"github.com/b2b-protocol/b2b/cmd/b2b/internal/term"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

const completionMost = 200 // words

// asking asks the server for words.
type asking func(context.Context, *b2b.Client) ([]cobra.Completion, error)

// completion returns words of the server. A failure is no error: the shell has just nothing to offer.
func (a *App) completion(cmd *cobra.Command, ask asking) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, a.Completion)
	defer cancel()
	folder, err := profile.Folder(a.Getenv)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	flag := func(name string) string {
		if f := cmd.Flags().Lookup(name); f != nil {
			return f.Value.String()
		}
		return ""
	}
	q := profile.Query{Profile: flag("profile"), URL: flag("url"), TokenFile: flag("token-file"), Getenv: a.Getenv}
	conn, err := profile.Store{Folder: folder}.Resolve(q)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	r := &run{app: a, clock: &clock{next: a.Transport, now: a.Now, log: func(string, ...any) {}}}
	words, err := ask(ctx, r.clientOf(conn.URL, b2b.WithToken(conn.Token), b2b.WithRetries(0)))
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

func bots(ctx context.Context, c *b2b.Client) (words []cobra.Completion, err error) {
	for bot, err := range c.EachPeer(ctx, nil) {
		if err != nil || len(words) == completionMost {
			return words, err
		}
		words = append(words, cobra.CompletionWithDesc(bot.GetName(), term.Cut(term.Line(aboutOf(bot)), 60)))
	}
	return words, nil
}

func threads(ctx context.Context, c *b2b.Client) (words []cobra.Completion, err error) {
	page := int32(mostPage)
	for thread, err := range c.EachThread(ctx, &b2bv1.ListThreadsRequest{Limit: &page}) {
		if err != nil || len(words) == completionMost {
			return words, err
		}
		about := term.Cut(term.Line(thread.GetTopic()), 60) + " (" + b2b.EnumText(thread.GetStatus()) + ")"
		words = append(words, cobra.CompletionWithDesc(thread.GetId(), about))
	}
	return words, nil
}

// first returns a completion for the first argument of a verb.
func (a *App) first(ask ...asking) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return a.completion(cmd, func(ctx context.Context, c *b2b.Client) (words []cobra.Completion, err error) {
			for _, one := range ask {
				more, err := one(ctx, c)
				if err != nil {
					return nil, err
				}
				words = append(words, more...)
			}
			return words, nil
		})
	}
}

func (a *App) completeBots(cmd *cobra.Command, args []string, to string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return a.first(bots)(cmd, args, to)
}

func (a *App) completeThreads(cmd *cobra.Command, args []string, to string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return a.first(threads)(cmd, args, to)
}

func (a *App) completePlaces(cmd *cobra.Command, args []string, to string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return a.first(bots, threads)(cmd, args, to)
}

// completeProfiles offers the names of the stored profiles.
func (a *App) completeProfiles(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	folder, err := profile.Folder(a.Getenv)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names, err := profile.Store{Folder: folder}.List()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeArtifacts completes a thread, then the keys of its artifacts.
func (a *App) completeArtifacts(cmd *cobra.Command, args []string, to string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return a.completeThreads(cmd, args, to)
	}
	return a.completion(cmd, func(ctx context.Context, c *b2b.Client) (words []cobra.Completion, err error) {
		page := int32(mostPage)
		for v, err := range c.EachArtifact(ctx, &b2bv1.ListArtifactsRequest{ThreadId: args[0], Limit: &page}) {
			if err != nil || len(words) == completionMost {
				return words, err
			}
			words = append(words, cobra.CompletionWithDesc(v.GetArtifactKey(), term.Cut(term.Line(v.GetTitle()), 60)))
		}
		return words, nil
	})
}
