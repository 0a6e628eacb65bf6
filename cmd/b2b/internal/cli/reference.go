package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Reference returns the help of all verbs as a page of the documents.
func Reference(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("# Verbs of the command line\n\nWhat `b2b VERB --help` prints. " +
		"[Command line](cli.md) explains what verbs have in common.\n")
	fmt.Fprintf(&b, "\n## Flags of every verb\n\n```\n%s```\n", (&common{}).flags(usualTimeout).FlagUsages())
	for _, group := range root.Groups() {
		fmt.Fprintf(&b, "\n## %s\n", strings.TrimSuffix(group.Title, ":"))
		for _, c := range root.Commands() {
			if c.GroupID == group.ID {
				reference(&b, c)
			}
		}
	}
	return b.String()
}

func reference(b *strings.Builder, c *cobra.Command) {
	all := (&common{}).flags(usualTimeout)
	fmt.Fprintf(b, "\n### %s\n\n", c.CommandPath())
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	b.WriteString(strings.ReplaceAll(text, "<", "\\<") + "\n\n```\n")
	if c.Runnable() {
		fmt.Fprintf(b, "%s\n", c.UseLine())
	} else {
		fmt.Fprintf(b, "%s VERB [flags]\n", c.CommandPath())
	}
	if c.Example != "" {
		fmt.Fprintf(b, "\nExamples:\n%s\n", c.Example)
	}
	if own := ownFlags(c, all); c.Runnable() && own.HasAvailableFlags() {
		fmt.Fprintf(b, "\nFlags:\n%s", flagUsages(own))
	}
	b.WriteString("```\n")
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			reference(b, sub)
		}
	}
}

// flagUsages returns the flags without blanks at the ends of lines.
func flagUsages(f *pflag.FlagSet) string {
	var b strings.Builder
	for line := range strings.Lines(f.FlagUsages()) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return b.String()
}
