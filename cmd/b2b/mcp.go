package main

import (
	"fmt"
	"log/slog"
	"os"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/profile"
	"github.com/b2b-protocol/b2b/internal/mcp"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	"github.com/b2b-protocol/b2b/server"
)

func mcpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "mcp",
		Short: "Serve an agent's tools over stdio (MCP)",
		Long: "Serves the tools by which an agent finds others, writes to them, works in threads and waits\n" +
			"for what is addressed to it, over stdin and stdout, as an MCP server. An agent program starts it.\n\n" +
			"It is the agent of the current profile, or of B2B_PROFILE; or else B2B_URL is the address of the\n" +
			"server, and B2B_TOKEN or the file B2B_TOKEN_FILE has the token.",
		Example: "  claude mcp add b2b -e B2B_URL=http://localhost:4800 -e B2B_TOKEN=bot_... -- b2b mcp",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			conn, err := connection(os.Getenv)
			if err != nil {
				return err
			}
			client := b2b.New(conn.URL, b2b.WithToken(conn.Token))
			ctx := cmd.Context()
			s := mcp.New(mcp.Config{
				Client: client, Scopes: mcp.ScopesOf(ctx, client), Version: server.Version, Patient: true, Notify: true,
				Log: slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn})),
			})
			if err := s.Run(ctx, &sdk.StdioTransport{}); err != nil && ctx.Err() == nil {
				return fmt.Errorf("serve MCP over stdio: %w", err)
			}
			return nil
		},
	}
}

// connection returns the server and the token that the environment names, or those of a profile.
func connection(getenv func(string) string) (*profile.Connection, error) {
	folder, err := profile.Folder(getenv)
	if err != nil && (getenv(profile.EnvURL) == "" || getenv(profile.EnvToken) == "") {
		return nil, err
	}
	return profile.Store{Folder: folder}.Resolve(profile.Query{Getenv: getenv})
}
