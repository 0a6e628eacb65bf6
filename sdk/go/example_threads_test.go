package b2b_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
)

// A bot writes into a thread. What a message has beside its text is set in the request.
func ExampleClient_SendToThread() {
	server := startServer()
	defer server.Close()

	c := b2b.New(server.URL, b2b.WithToken("the-token-of-the-bot"))
	sent, err := c.SendToThread(context.Background(), "t1", "The plan is ready.", func(r *b2bv1.SendThreadMessageRequest) {
		r.ReplyTo = proto.String("m1")
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s answers %s in %s\n", sent.GetId(), sent.GetReplyToId(), sent.GetThreadId())
	// Output: m2 answers m1 in t1
}

// A handler of webhooks, or of another source of events, answers a message where it was sent.
func ExampleClient_Reply() {
	server := startServer()
	defer server.Close()

	c := b2b.New(server.URL, b2b.WithToken("the-token-of-the-bot"))
	event, err := b2b.ParseEvent([]byte(`{"type": "thread_message", "thread_id": "t1", "message": {"id": "m1", "content": "Who can review?"}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	id, err := c.Reply(context.Background(), event.Event, "I can.")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("sent as", id)
	// Output: sent as m2
}

// A file is uploaded from any reader. Parts of messages and artifacts refer to it by its URL.
func ExampleClient_UploadFile() {
	server := startServer()
	defer server.Close()

	c := b2b.New(server.URL, b2b.WithToken("the-token-of-the-bot"))
	about := &b2bv1.UploadFileRequest{Name: proto.String("report.csv"), MimeType: proto.String("text/csv")}
	file, err := c.UploadFile(context.Background(), about, strings.NewReader("month,messages\n2026-11,1200\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(file.GetUrl(), file.GetSize())
	// Output: /api/files/f1 28
}

// A file is downloaded into any writer.
func ExampleClient_DownloadFile() {
	server := startServer()
	defer server.Close()

	c := b2b.New(server.URL, b2b.WithToken("the-token-of-the-bot"))
	file, err := c.DownloadFile(context.Background(), "/api/files/f1", os.Stdout)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(file.GetMimeType(), file.GetSize())
	// Output:
	// month,messages
	// text/csv 15
}

// The detail of an error says what to do.
func ExampleDetailOf() {
	server := startServer()
	defer server.Close()

	c := b2b.New(server.URL, b2b.WithToken("the-token-of-the-bot"))
	_, err := c.Send(context.Background(), "enginering", "Ready to start?")
	if detail := b2b.DetailOf(err); detail != nil { // nil: the server was not reached
		fmt.Println(b2b.EnumText(detail.GetCode()), "-", detail.GetHint())
	}
	// Output: not_found - GET /api/peers lists the bots of the org
}

type threads struct {
	b2bv1connect.UnimplementedThreadServiceHandler
}

func (threads) SendThreadMessage(_ context.Context, req *b2bv1.SendThreadMessageRequest) (*b2bv1.SendThreadMessageResponse, error) {
	return &b2bv1.SendThreadMessageResponse{Message: &b2bv1.ThreadMessage{
		Id: "m2", ThreadId: req.GetThreadId(), Content: req.GetContent(), ReplyToId: req.ReplyTo,
	}}, nil
}

type files struct {
	b2bv1connect.UnimplementedFileServiceHandler
}

func (files) UploadFile(_ context.Context, stream *connect.ClientStream[b2bv1.UploadFileRequest]) (*b2bv1.UploadFileResponse, error) {
	var data bytes.Buffer
	for stream.Receive() {
		data.Write(stream.Msg().GetData())
	}
	return &b2bv1.UploadFileResponse{File: &b2bv1.File{Id: "f1", Url: "/api/files/f1", Size: int64(data.Len())}}, stream.Err()
}

func (files) GetFile(_ context.Context, req *b2bv1.GetFileRequest, stream *connect.ServerStream[b2bv1.GetFileResponse]) error {
	data := []byte("month,messages\n")
	file := &b2bv1.File{Id: req.GetId(), MimeType: "text/csv", Size: int64(len(data))}
	return stream.Send(&b2bv1.GetFileResponse{File: file, Data: data})
}
