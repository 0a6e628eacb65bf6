// Package b2b is the Go client of the B2B (bot-to-bot) protocol: the generated clients of all
// services with one credential, and functions that read the stable error codes.
//
//	c := b2b.New("http://localhost:4800", b2b.WithToken(token))
//	res, err := c.Channels.SendDirectMessage(ctx, &b2bv1.SendDirectMessageRequest{
//		To: proto.String("other-bot"), Content: proto.String("Hello!"),
//	})
//	if b2b.CodeOf(err) == b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND { … }
//
// It uses the Connect protocol. The messages are the same as those of the REST binding.
//
// # Retries
//
// A call that gets no response, or is refused for the moment, is made again after a pause, at most
// 4 times ([WithRetries]). A call that changes something is sent with the same request id each
// time, which [New]'s client makes if the caller gives none, so the server makes the change once.
// The few changes that have no request id, such as a login, are made again only if the server
// cannot have executed them. Streams are not retried. The pauses end with the context of the call.
package b2b

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/connect"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
)

// Client calls one server with one credential. It is safe for concurrent use.
type Client struct {
	Artifacts  b2bv1connect.ArtifactServiceClient
	Auth       b2bv1connect.AuthServiceClient
	Bots       b2bv1connect.BotServiceClient
	Channels   b2bv1connect.ChannelServiceClient
	Events     b2bv1connect.EventServiceClient
	Files      b2bv1connect.FileServiceClient // see UploadFile, DownloadFile
	Leases     b2bv1connect.LeaseServiceClient
	Deliveries b2bv1connect.DeliveryServiceClient
	Decisions  b2bv1connect.DecisionServiceClient
	Org        b2bv1connect.OrgServiceClient
	OrgThreads b2bv1connect.OrgThreadServiceClient
	Platform   b2bv1connect.PlatformServiceClient
	Search     b2bv1connect.SearchServiceClient
	Server     b2bv1connect.ServerServiceClient
	Threads    b2bv1connect.ThreadServiceClient
	Tokens     b2bv1connect.TokenServiceClient
	Webhooks   b2bv1connect.WebhookServiceClient

	config config
}

// config is what a listener needs of the options of its client.
type config struct {
	err     error  // the client cannot work
	url     string // without a slash at the end
	http    connect.HTTPClient
	bearer  bearer
	sockets b2bv1connect.WebSocketServiceClient
	frame   int // largestFrame, but in tests
}

// Option configures a client, see [New].
type Option func(*options)

type options struct {
	http     connect.HTTPClient
	token    string
	hasToken bool
	retries  int
	timeout  time.Duration
	largest  int // response, in bytes; 0: any
	connect  []connect.ClientOption
}

const (
	defaultRetries = 4
	defaultTimeout = 30 * time.Second
)

// WithToken sends a bot's primary or scoped token with every call. An empty token is a mistake,
// such as a variable of the environment that is not set: every call returns a [*ConfigError].
func WithToken(token string) Option {
	return func(o *options) { o.token, o.hasToken = token, true }
}

// WithRetries sets how often a call is made again after it failed for the moment; the default is 4,
// and 0 means never.
func WithRetries(most int) Option { return func(o *options) { o.retries = max(most, 0) } }

// WithTimeout sets how long one attempt of a call may take; the default is 30 seconds, and 0 means
// any time. A call that asks the server to wait may take that much longer (B2B-SDK-041). The context
// of a call bounds all its attempts. Streams have no timeout.
func WithTimeout(d time.Duration) Option { return func(o *options) { o.timeout = d } }

// WithHTTPClient sets the HTTP client; the default is http.DefaultClient. A client with a cookie
// jar keeps the session that Auth.Login opens.
func WithHTTPClient(c connect.HTTPClient) Option { return func(o *options) { o.http = c } }

// WithConnect adds options of Connect, for example connect.WithGRPC() with a client for HTTP/2, or
// connect.WithProtoJSON().
func WithConnect(opts ...connect.ClientOption) Option {
	return func(o *options) { o.connect = append(o.connect, opts...) }
}

// New returns a client of the server at a base URL, e.g. "http://localhost:4800". If the URL or
// the token cannot work, every call returns a [*ConfigError].
func New(baseURL string, opts ...Option) *Client {
	o := options{http: http.DefaultClient, retries: defaultRetries, timeout: defaultTimeout, largest: defaultResponse}
	for _, opt := range opts {
		opt(&o)
	}
	url := strings.TrimRight(baseURL, "/")
	o.http = noting{o.http}
	c := config{err: o.check(url), url: url, http: o.http, bearer: bearer(o.token), frame: largestFrame}
	with := append([]connect.ClientOption{connect.WithReadMaxBytes(o.largest)}, o.connect...)
	with = append(with, connect.WithInterceptors(
		checked{c.err}, sized(o.largest), retry{most: o.retries, timeout: o.timeout}, c.bearer))
	c.sockets = b2bv1connect.NewWebSocketServiceClient(o.http, url, with...)
	return &Client{
		Artifacts:  b2bv1connect.NewArtifactServiceClient(o.http, url, with...),
		Auth:       b2bv1connect.NewAuthServiceClient(o.http, url, with...),
		Bots:       b2bv1connect.NewBotServiceClient(o.http, url, with...),
		Channels:   b2bv1connect.NewChannelServiceClient(o.http, url, with...),
		Events:     b2bv1connect.NewEventServiceClient(o.http, url, with...),
		Files:      b2bv1connect.NewFileServiceClient(o.http, url, with...),
		Leases:     b2bv1connect.NewLeaseServiceClient(o.http, url, with...),
		Deliveries: b2bv1connect.NewDeliveryServiceClient(o.http, url, with...),
		Decisions:  b2bv1connect.NewDecisionServiceClient(o.http, url, with...),
		Search:     b2bv1connect.NewSearchServiceClient(o.http, url, with...),
		Org:        b2bv1connect.NewOrgServiceClient(o.http, url, with...),
		OrgThreads: b2bv1connect.NewOrgThreadServiceClient(o.http, url, with...),
		Platform:   b2bv1connect.NewPlatformServiceClient(o.http, url, with...),
		Server:     b2bv1connect.NewServerServiceClient(o.http, url, with...),
		Threads:    b2bv1connect.NewThreadServiceClient(o.http, url, with...),
		Tokens:     b2bv1connect.NewTokenServiceClient(o.http, url, with...),
		Webhooks:   b2bv1connect.NewWebhookServiceClient(o.http, url, with...),
		config:     c,
	}
}

// bearer is an interceptor that sends a token with every call and stream, unless it is empty.
type bearer string

func (b bearer) set(h http.Header) {
	if b != "" {
		h.Set("Authorization", "Bearer "+string(b))
	}
}

// WrapUnary implements connect.Interceptor.
func (b bearer) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		b.set(req.Header())
		return next(ctx, req)
	}
}

// WrapStreamingClient implements connect.Interceptor.
func (b bearer) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		conn := next(ctx, spec)
		b.set(conn.RequestHeader())
		return conn
	}
}

// WrapStreamingHandler implements connect.Interceptor. A client never calls it.
func (b bearer) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

// DetailOf returns the detail that the server sent with an error: the code, a hint, when to retry.
// It returns nil for an error that does not come from a server of this protocol.
func DetailOf(err error) *b2bv1.ErrorDetail {
	var ce *connect.Error
	if !errors.As(err, &ce) {
		return nil
	}
	for _, d := range ce.Details() {
		if v, err := d.Value(); err == nil {
			if detail, ok := v.(*b2bv1.ErrorDetail); ok {
				return detail
			}
		}
	}
	return nil
}

// CodeOf returns the stable code of an error, or ERROR_CODE_UNSPECIFIED if it has none.
func CodeOf(err error) b2bv1.ErrorCode { return DetailOf(err).GetCode() }
