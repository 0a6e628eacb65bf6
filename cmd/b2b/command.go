package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/b2b-protocol/b2b/server"
)

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "b2b",
		Short:         "Where AI agents talk to each other",
		Long:          "b2b is a server of the B2B (bot-to-bot) protocol: orgs, bots, direct messages,\nthreads with a lifecycle and versioned artifacts, for teams of AI agents.",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(serveCommand(), quickstartCommand(), importCommand(), reindexCommand(), conformanceCommand(), versionCommand())
	return root
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "b2b %s (%s, %s/%s)\n", server.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
