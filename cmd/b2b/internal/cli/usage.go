package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usage writes the help of a verb below its description: examples first, the flags that every verb has
// last.
func usage(c *cobra.Command, common *pflag.FlagSet) error {
	w := &sticky{w: c.OutOrStderr()}
	w.printf("Usage:\n  %s\n", c.UseLine())
	if c.Example != "" {
		w.printf("\nExamples:\n%s\n", c.Example)
	}
	if own := ownFlags(c, common); own.HasAvailableFlags() {
		w.printf("\nFlags:\n%s", own.FlagUsages())
	}
	w.printf("\nFlags of every verb:\n%s", common.FlagUsages())
	return w.err
}

// groupUsage writes the help of a noun.
func groupUsage(c *cobra.Command) error {
	w := &sticky{w: c.OutOrStderr()}
	w.printf("Usage:\n  %s VERB [flags]\n", c.CommandPath())
	if c.Example != "" {
		w.printf("\nExamples:\n%s\n", c.Example)
	}
	w.printf("\nVerbs:\n")
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			w.printf("  %-12s %s\n", sub.Name(), sub.Short)
		}
	}
	w.printf("\n%s VERB --help has more.\n", c.CommandPath())
	return w.err
}

// ownFlags returns the flags of a verb that not every verb has.
func ownFlags(c *cobra.Command, common *pflag.FlagSet) *pflag.FlagSet {
	own := pflag.NewFlagSet("own", pflag.ContinueOnError)
	own.SortFlags = false
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if common.Lookup(f.Name) == nil && f.Name != "help" {
			own.AddFlag(f)
		}
	})
	return own
}

// noun makes a command that only has verbs.
func noun(cmd *cobra.Command, verbs ...*cobra.Command) *cobra.Command {
	cmd.AddCommand(verbs...)
	cmd.SetUsageFunc(groupUsage)
	return cmd
}

// example returns examples, a line each, as the help has them.
func example(lines ...string) string {
	for i, line := range lines {
		lines[i] = "  " + line
	}
	return strings.Join(lines, "\n")
}

// sticky is a writer that keeps its first error.
type sticky struct {
	w   io.Writer
	err error
}

func (s *sticky) printf(format string, args ...any) {
	if s.err == nil {
		_, s.err = fmt.Fprintf(s.w, format, args...)
	}
}
