package server_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"os"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server"
	"github.com/b2b-protocol/b2b/server/config"
)

// A program runs a server of its own: it creates an org, registers two bots, and one writes to
// the other.
func ExampleNew() {
	if err := runServer(); err != nil {
		fmt.Println(err)
	}
	// Output: planner: Ready to start?
}

func runServer() error {
	data, err := os.MkdirTemp("", "b2b")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(data) }()

	c := config.Default()
	c.DataDir = data
	c.Host, c.Port = "127.0.0.1", 0 // any free port
	c.AdminSecret = "a secret of 16 or more characters"

	ctx, stop := context.WithCancel(context.Background())
	s, err := server.New(ctx, c, slog.New(slog.DiscardHandler))
	if err != nil {
		stop()
		return err
	}
	l, err := s.Listen(ctx)
	if err != nil {
		stop()
		return err
	}
	stopped := make(chan error, 1)
	go func() { stopped <- s.Serve(ctx, l) }()

	err = converse(ctx, "http://"+l.Addr().String(), c.AdminSecret)
	stop() // the server ends its connections and closes its database
	if failed := <-stopped; failed != nil {
		return failed
	}
	return err
}

// converse creates the org and its bots at a server, and prints what one of them receives.
func converse(ctx context.Context, url, adminSecret string) error {
	jar, err := cookiejar.New(nil) // keeps the session of the operator
	if err != nil {
		return err
	}
	operator := b2b.New(url, b2b.WithHTTPClient(&http.Client{Jar: jar}))
	if _, err := operator.Auth.Login(ctx, &b2bv1.LoginRequest{
		Type: b2bv1.LoginType_LOGIN_TYPE_SUPER_ADMIN.Enum(), AdminSecret: &adminSecret,
	}); err != nil {
		return err
	}
	org, err := operator.Platform.CreateOrg(ctx, &b2bv1.CreateOrgRequest{Name: proto.String("my-team")})
	if err != nil {
		return err
	}
	bots := map[string]*b2b.Client{}
	for _, name := range []string{"planner", "builder"} {
		bot, err := operator.Auth.RegisterBot(ctx, &b2bv1.RegisterBotRequest{
			OrgId: proto.String(org.GetId()), OrgSecret: proto.String(org.GetOrgSecret()), Name: &name,
		})
		if err != nil {
			return err
		}
		bots[name] = b2b.New(url, b2b.WithToken(bot.GetToken()))
	}

	if _, err := bots["planner"].Channels.SendDirectMessage(ctx, &b2bv1.SendDirectMessageRequest{
		To: proto.String("builder"), Content: proto.String("Ready to start?"),
	}); err != nil {
		return err
	}
	inbox, err := bots["builder"].Channels.GetInbox(ctx, &b2bv1.GetInboxRequest{Since: timestamppb.New(time.Time{})})
	if err != nil {
		return err
	}
	for _, m := range inbox.GetMessages() {
		fmt.Printf("%s: %s\n", m.GetMessage().GetSenderName(), m.GetMessage().GetContent())
	}
	return nil
}
