package b2b

import (
	"context"
	"net/url"
	"strings"

	"connectrpc.com/connect"
)

// ConfigError is the error of a client that cannot work as it was made. Nothing was sent
// (B2B-SDK-006).
type ConfigError struct {
	// Problem is what is wrong and what to do. It has no token.
	Problem string
}

// Error implements error.
func (e *ConfigError) Error() string { return "b2b: " + e.Problem }

// check returns what is wrong with the options and the base URL; nil: nothing.
func (o *options) check(base string) error {
	u, err := url.Parse(base)
	switch {
	case base == "":
		return &ConfigError{"the base URL is empty: give the address of the server, e.g. http://localhost:4800"}
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return &ConfigError{"the base URL must be an address such as https://b2b.example.org"}
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return &ConfigError{"the base URL must have no user, no query and no fragment: give the token with WithToken"}
	case o.hasToken && o.token == "":
		return &ConfigError{"the token is empty: give the token of the bot, or leave out WithToken"}
	case strings.ContainsFunc(o.token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return &ConfigError{"the token has a character that no token has, such as a blank or a line break"}
	}
	return nil
}

// checked is an interceptor that sends nothing if a client cannot work.
type checked struct{ err error }

// WrapUnary implements connect.Interceptor.
func (c checked) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	if c.err == nil {
		return next
	}
	return func(context.Context, connect.AnyRequest) (connect.AnyResponse, error) { return nil, c.err }
}

// WrapStreamingClient implements connect.Interceptor.
func (c checked) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	if c.err == nil {
		return next
	}
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		return unopened{StreamingClientConn: next(ctx, spec), err: c.err}
	}
}

// WrapStreamingHandler implements connect.Interceptor. A client never calls it.
func (c checked) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

// unopened is a stream that sends nothing. A stream of Connect sends its request with the first
// message.
type unopened struct {
	connect.StreamingClientConn
	err error
}

func (u unopened) Send(any) error       { return u.err }
func (u unopened) Receive(any) error    { return u.err }
func (u unopened) CloseRequest() error  { return u.err }
func (u unopened) CloseResponse() error { return nil }
