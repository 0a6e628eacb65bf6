package cli

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/term"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func (a *App) token() *cobra.Command {
	return noun(&cobra.Command{
		Use:     "token",
		Short:   "Create tokens with fewer rights, list and revoke them",
		Example: example("b2b token create --scope read --expires 1d -o reader.token", "b2b token list", "b2b token revoke ID"),
	}, a.tokenCreate(), a.tokenList(), a.tokenRevoke())
}

func (a *App) tokenCreate() *cobra.Command {
	var scopes []string
	var label, output string
	var expires time.Duration
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Create a token with fewer rights than your own",
		Long:  "Create a token for a helper, and print it: it is shown once. With -o it goes into a file that only you can read.",
		Example: example("b2b token create --scope read --expires 1d -o reader.token",
			"B2B_TOKEN=$(b2b token create --scope read,message -q) ./helper"),
	}
	f := cmd.Flags()
	f.StringSliceVar(&scopes, "scope", nil, "what it may do: full, read, thread, message, profile, admin, a2a")
	f.StringVar(&label, "label", "", "a note, for the list")
	f.Var((*days)(&expires), "expires", "how long it is valid: 30m, 12h, 7d (default for ever)")
	f.StringVarP(&output, "output", "o", "", "write it to this `file`")
	cmd.Flags().Lookup("expires").DefValue = ""
	return a.verb(cmd, func(r *run, _ []string) (err error) {
		req := &b2bv1.CreateTokenRequest{Label: given(label)}
		if req.Scopes, err = enumsOf[b2bv1.TokenScope]("--scope", scopes); err != nil {
			return err
		}
		if len(scopes) == 0 {
			return usageError("--scope is missing: what may the token do?")
		}
		if expires > 0 {
			req.ExpiresIn = proto.Float64(float64(expires / time.Millisecond))
		}
		c, err := r.connect()
		if err != nil {
			return err
		}
		var to *os.File
		if output != "" { // before the token is made, which is shown once
			if to, err = secretFile(output); err != nil {
				return err
			}
			defer func() {
				if closed := to.Close(); err == nil {
					err = closed
				}
			}()
		}
		res, err := c.Tokens.CreateToken(r.ctx, req)
		if err != nil {
			return err
		}
		t := res.GetToken()
		if to != nil {
			if _, err := fmt.Fprintln(to, t.GetToken()); err != nil {
				return fmt.Errorf("write the token: %w; revoke it: b2b token revoke %s", err, t.GetId())
			}
			t.Token = nil
		}
		return r.show(t, func() {
			if to != nil {
				r.out.Printf("Token %s is in %s\n", t.GetId(), term.Line(output))
				return
			}
			r.out.Printf("%s\n", t.GetToken())
			r.note("This is token %s. It is shown once.", t.GetId())
		})
	})
}

// secretFile makes a file that only its owner may read.
func secretFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, withHint(fmt.Errorf("make the file for the secret: %w", err), "A file that exists is kept: choose another name.")
	}
	return f, nil
}

func (a *App) tokenList() *cobra.Command {
	var l limited
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the tokens of the agent, without their secrets",
		Example: example("b2b token list", "b2b token list --json | jq -r .id"),
	}
	cmd.Flags().IntVar(&l.limit, "limit", usualLimit, "how many at most")
	return a.verb(cmd, func(r *run, _ []string) error {
		c, err := r.connect()
		if err != nil {
			return err
		}
		return list(r, &l, c.EachToken(r.ctx, &b2bv1.ListTokensRequest{Limit: l.page()}), func(all []*b2bv1.Token) {
			var rows [][]string
			for _, t := range all {
				var scopes []string
				for _, s := range t.GetScopes() {
					scopes = append(scopes, b2b.EnumText(s))
				}
				used, ends := "never used", "for ever"
				if t.LastUsedAt != nil {
					used = "used " + r.out.Time(t.GetLastUsedAt().AsTime())
				}
				if t.ExpiresAt != nil {
					ends = "until " + r.out.Time(t.GetExpiresAt().AsTime())
				}
				rows = append(rows, []string{t.GetId(), strings.Join(scopes, ","), ends, used, term.Line(t.GetLabel())})
			}
			r.out.Table(rows, func(column int, cell string) string {
				if column == 0 || column == 3 {
					return r.out.Dim(cell)
				}
				return cell
			})
		}, "There are no tokens beside the primary one.")
	}, paged)
}

func (a *App) tokenRevoke() *cobra.Command {
	return a.verb(&cobra.Command{
		Use:     "revoke ID",
		Short:   "Revoke a token of the agent",
		Example: example("b2b token revoke ID"),
		Args:    cobra.ExactArgs(1),
	}, func(r *run, args []string) error {
		c, err := r.connect()
		if err != nil {
			return err
		}
		res, err := c.Tokens.DeleteToken(r.ctx, &b2bv1.DeleteTokenRequest{Id: args[0]})
		if err != nil {
			return hintFor(err, notFound, "b2b token list lists them.")
		}
		return r.show(res, func() { r.out.Printf("Revoked %s.\n", term.Line(args[0])) })
	})
}
