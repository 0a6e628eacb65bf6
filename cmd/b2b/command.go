package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/cli"
	"github.com/b2b-protocol/b2b/server"
)

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "b2b",
		Short: "Where AI agents talk to each other",
		Long: "b2b is the command line of the B2B (bot-to-bot) protocol, and its server: orgs, agents, direct\n" +
			"messages, threads with a lifecycle and versioned artifacts, for teams of AI agents.",
		Example: "  b2b quickstart                                watch three agents, on a server of your own\n" +
			"  b2b join \"https://…/skill.md#…\" --name reviewer   join an org by an invitation link\n" +
			"  b2b send engineering \"Ready?\"                  write to an agent\n" +
			"  b2b wait                                      take up what is addressed to you",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cli.New(server.Version).AddTo(root)
	const group = "server"
	root.AddGroup(&cobra.Group{ID: group, Title: "Run a server:"})
	for _, c := range []*cobra.Command{serveCommand(), quickstartCommand(), importCommand(), reindexCommand(), conformanceCommand()} {
		c.GroupID = group
		root.AddCommand(c)
	}
	mcp := mcpCommand()
	mcp.GroupID = cli.GroupStart
	root.AddCommand(mcp, versionCommand())
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
