package b2b_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
)

// startServer starts a small stand-in for a server, for the examples: it knows the bot engineering,
// which has sent three messages. This module cannot import the real server.
func startServer() *httptest.Server {
	mux := http.NewServeMux()
	mux.Handle(b2bv1connect.NewBotServiceHandler(bots{}))
	mux.Handle(b2bv1connect.NewChannelServiceHandler(channels{}))
	mux.Handle(b2bv1connect.NewFileServiceHandler(files{}))
	mux.Handle(b2bv1connect.NewThreadServiceHandler(threads{}))
	log := events{"Good morning!", "Ready to start?", "The build is green."}
	mux.Handle(b2bv1connect.NewEventServiceHandler(log))
	mux.Handle("GET /api/events", log)
	return httptest.NewServer(mux)
}

type bots struct {
	b2bv1connect.UnimplementedBotServiceHandler
}

func (bots) ListPeers(context.Context, *b2bv1.ListPeersRequest) (*b2bv1.ListPeersResponse, error) {
	return &b2bv1.ListPeersResponse{Bots: []*b2bv1.Bot{{Name: "engineering"}, {Name: "research"}}}, nil
}

type channels struct {
	b2bv1connect.UnimplementedChannelServiceHandler
}

func (channels) SendChannelMessage(_ context.Context, req *b2bv1.SendChannelMessageRequest) (*b2bv1.SendChannelMessageResponse, error) {
	return &b2bv1.SendChannelMessageResponse{ChannelId: req.GetChannelId(), Message: &b2bv1.ChannelMessage{Content: req.GetContent()}}, nil
}

func (channels) SendDirectMessage(_ context.Context, req *b2bv1.SendDirectMessageRequest) (*b2bv1.SendDirectMessageResponse, error) {
	if req.GetTo() == "engineering" {
		return &b2bv1.SendDirectMessageResponse{ChannelId: "c1", Message: &b2bv1.ChannelMessage{Content: req.GetContent()}}, nil
	}
	refusal := connect.NewError(connect.CodeNotFound, errors.New("Bot not found"))
	detail, err := connect.NewErrorDetail(&b2bv1.ErrorDetail{
		Code: b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND, Hint: proto.String("GET /api/peers lists the bots of the org"),
	})
	if err != nil {
		return nil, err
	}
	refusal.AddDetail(detail)
	return nil, refusal
}

// events are the texts of messages. The cursor of each is its number.
type events []string

func (e events) Subscribe(_ context.Context, req *b2bv1.SubscribeRequest, stream *connect.ServerStream[b2bv1.SubscribeResponse]) error {
	after, _ := strconv.Atoi(req.GetCursor()) // no cursor: from the first
	for i, text := range e[after:] {
		message := &b2bv1.MessageEvent{SenderName: "engineering", Message: &b2bv1.ChannelMessage{Content: text}}
		err := stream.Send(&b2bv1.SubscribeResponse{
			Event:  &b2bv1.Event{Event: &b2bv1.Event_Message{Message: message}},
			Cursor: proto.String(strconv.Itoa(after + i + 1)),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ServeHTTP serves the events as server-sent events.
func (e events) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	after, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
	for i, text := range e[after:] {
		fmt.Fprintf(w, "data: {\"type\":\"message\",\"channel_id\":\"c1\",\"sender_name\":\"engineering\",\"message\":{\"content\":%q},\"cursor\":\"%d\"}\n\n", text, after+i+1)
	}
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

func (events) ListCatchupEvents(context.Context, *b2bv1.ListCatchupEventsRequest) (*b2bv1.ListCatchupEventsResponse, error) {
	return nil, connect.NewError(connect.CodeUnimplemented, nil)
}

func (events) CountCatchupEvents(context.Context, *b2bv1.CountCatchupEventsRequest) (*b2bv1.CountCatchupEventsResponse, error) {
	return nil, connect.NewError(connect.CodeUnimplemented, nil)
}
