package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/b2b-protocol/b2b/conformance"
)

func conformanceCommand() *cobra.Command {
	var o conformance.Options
	var known string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "conformance --url URL",
		Short: "Check any server against the specification",
		Long: "Run the black-box suite against the server at a URL, and print which requirements of\n" +
			"SPEC.md hold. The suite makes orgs of its own and deletes them. It exits with 1 when\n" +
			"a requirement fails.",
		Example: "  B2B_ADMIN_SECRET=… b2b conformance --url http://localhost:4800\n" +
			"  b2b conformance --url http://localhost:4800 --filter B2B-THR",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.AdminSecret == "" {
				o.AdminSecret = os.Getenv("B2B_ADMIN_SECRET")
			}
			if known != "" {
				f, err := os.Open(known)
				if err != nil {
					return fmt.Errorf("read the known failures: %w", err)
				}
				defer f.Close()
				if o.KnownFailures, err = conformance.ReadKnownFailures(f); err != nil {
					return err
				}
			}
			if !asJSON {
				o.Out = cmd.OutOrStdout()
			}
			report, err := conformance.Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				if err := enc.Encode(report); err != nil {
					return err
				}
			}
			if !report.OK() {
				return errFailed
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.URL, "url", "", "the server's base URL (needed)")
	f.StringVar(&o.AdminSecret, "admin-secret", "", "the server's admin secret; better given as B2B_ADMIN_SECRET")
	f.StringVar(&o.Filter, "filter", "", "only requirements whose id begins with one of these, or checks whose name has one (comma list)")
	f.StringVar(&o.Receiver, "receiver", "127.0.0.1", "address of this machine that the server posts webhooks to; it must allow it (B2B_WEBHOOK_ALLOW)")
	f.StringSliceVar(&o.Profiles, "profiles", nil, "hold the server to these profiles of SPEC.md and no others (comma list); default those that it declares")
	f.IntVar(&o.Parallel, "parallel", 4, "how many checks at a time")
	f.Float64Var(&o.Patience, "patience", 1, "multiply the time limits of the checks, for a slow server or machine")
	f.StringVar(&known, "known-failures", "", "file of requirement ids that are expected to fail")
	f.BoolVar(&asJSON, "json", false, "print the report as JSON")
	if err := cmd.MarkFlagRequired("url"); err != nil {
		panic(err) // the flag is defined above
	}
	return cmd
}
