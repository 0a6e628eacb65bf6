package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/profile"
)

func (a *App) man() *cobra.Command {
	var folder string
	cmd := &cobra.Command{
		Use:     "man [VERB…]",
		Short:   "Print a manual page, or write all of them",
		Example: example("b2b man thread post | man -l -", "b2b man --dir /usr/local/share/man/man1"),
		Args:    cobra.ArbitraryArgs,
	}
	cmd.Flags().StringVar(&folder, "dir", "", "write the pages of all verbs into this `folder`")
	return a.verb(cmd, func(r *run, args []string) error {
		root := r.cmd.Root()
		if folder != "" {
			n := 0
			var visit func(*cobra.Command) error
			visit = func(c *cobra.Command) error {
				path := filepath.Join(folder, strings.ReplaceAll(c.CommandPath(), " ", "-")+".1")
				if err := profile.Replace(path, []byte(ManPage(c)), 0o644); err != nil {
					return fmt.Errorf("write a manual page: %w", err)
				}
				n++
				for _, sub := range c.Commands() {
					if sub.IsAvailableCommand() {
						if err := visit(sub); err != nil {
							return err
						}
					}
				}
				return nil
			}
			if err := os.MkdirAll(folder, 0o755); err != nil {
				return fmt.Errorf("write the manual pages: %w", err)
			}
			if err := visit(root); err != nil {
				return err
			}
			return r.showJSON(map[string]any{"folder": folder, "pages": n}, func() { r.out.Printf("Wrote %d pages.\n", n) })
		}
		c, rest, err := root.Find(args)
		if err != nil || len(rest) > 0 {
			return usageError("there is no verb %q", strings.Join(args, " "))
		}
		page := ManPage(c)
		return r.showJSON(map[string]any{"verb": c.CommandPath(), "page": page}, func() { r.out.Printf("%s", page) })
	})
}

// ManPage returns the manual page of a verb, in the language of man.
func ManPage(c *cobra.Command) string {
	var b strings.Builder
	name := strings.ReplaceAll(c.CommandPath(), " ", "-")
	fmt.Fprintf(&b, ".TH %s 1\n.SH NAME\n%s \\- %s\n.SH SYNOPSIS\n.B %s\n", roff(strings.ToUpper(name)), roff(name), roff(c.Short),
		roff(c.UseLine()))
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	fmt.Fprintf(&b, ".SH DESCRIPTION\n%s\n", roff(text))
	if c.Example != "" {
		fmt.Fprintf(&b, ".SH EXAMPLES\n.nf\n%s\n.fi\n", roff(c.Example))
	}
	if c.Runnable() {
		b.WriteString(".SH OPTIONS\n")
		c.Flags().VisitAll(func(f *pflag.Flag) {
			value, about := pflag.UnquoteUsage(f)
			short := ""
			if f.Shorthand != "" {
				short = "-" + f.Shorthand + ", "
			}
			fmt.Fprintf(&b, ".TP\n%s\n%s\n", roff(strings.TrimSpace(short+"--"+f.Name+" "+value)), roff(about))
		})
	}
	var also []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			also = append(also, strings.ReplaceAll(sub.CommandPath(), " ", "-")+"(1)")
		}
	}
	if c.HasParent() {
		also = append(also, strings.ReplaceAll(c.Parent().CommandPath(), " ", "-")+"(1)")
	}
	if len(also) > 0 {
		fmt.Fprintf(&b, ".SH SEE ALSO\n%s\n", roff(strings.Join(also, ", ")))
	}
	return b.String()
}

// roff writes a text so that man shows it as it is.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
