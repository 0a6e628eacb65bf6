package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/profile"
	"github.com/b2b-protocol/b2b/cmd/b2b/internal/term"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// The exit statuses. docs/use/cli.md has them in a table, and they do not change.
const (
	ExitFailed      = 1   // something else
	ExitUsage       = 2   // the arguments are wrong, or the server refuses the request as it is
	ExitNotFound    = 3   // it does not exist, or is hidden
	ExitCredential  = 4   // there is no profile, or the token, ticket or secret is not accepted
	ExitForbidden   = 5   // the bot may not do that
	ExitConflict    = 6   // something is in the way: a name is taken, a thread is closed, a lease is lost
	ExitLimited     = 7   // too many calls, or a quota is used up
	ExitUnreachable = 8   // the server does not answer, or not as a server of this protocol
	ExitTimeout     = 9   // the time of --timeout is over
	ExitNothing     = 10  // wait: nothing came
	ExitInterrupted = 130 // Ctrl-C
)

var errTimeout = errors.New("the time of --timeout is over")

// errNothing is the error of a wait that ended without an item.
var errNothing = errors.New("nothing came")

// Failure is the error of a verb.
type Failure struct {
	Exit    int    `json:"exit"`
	Message string `json:"error"`
	// Code is the stable code of the server, or one of this program.
	Code       string            `json:"code"`
	Hint       string            `json:"hint,omitempty"`
	RetryAfter int32             `json:"retry_after,omitempty"`
	Extras     map[string]string `json:"extras,omitempty"`

	silent bool // what there is to say was written
}

// Error implements error.
func (f *Failure) Error() string { return f.Message }

// Exit returns the exit status of an error of a verb that has been reported.
func Exit(err error) (status int, ok bool) {
	var f *Failure
	if errors.As(err, &f) {
		return f.Exit, true
	}
	return 0, false
}

// usageError is the error of arguments that are wrong.
func usageError(format string, args ...any) error {
	return &Failure{Exit: ExitUsage, Code: "USAGE", Message: fmt.Errorf(format, args...).Error()}
}

// hinted is an error with what to do.
type hinted struct {
	err  error
	hint string
}

func (h *hinted) Error() string { return h.err.Error() }
func (h *hinted) Unwrap() error { return h.err }

// withHint adds what to do to an error, unless the server says it.
func withHint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &hinted{err, fmt.Sprintf(format, args...)}
}

// hintFor is withHint for errors with a code.
func hintFor(err error, code b2bv1.ErrorCode, format string, args ...any) error {
	if b2b.CodeOf(err) != code {
		return err
	}
	return withHint(err, format, args...)
}

const notFound = b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND

// fail reports an error and returns it as a *Failure.
func (a *App) fail(cmd *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	var f *Failure
	if !errors.As(err, &f) {
		f = &Failure{Exit: ExitFailed, Code: "FAILED", Message: err.Error()}
	}
	if f.Exit == ExitUsage && f.Hint == "" {
		f.Hint = cmd.CommandPath() + " --help"
	}
	if f.Exit == ExitNothing || f.silent {
		return f
	}
	if f.Exit == ExitUsage && cmd.HasParent() && cmd.Parent().Name() == hookName {
		f.Exit = ExitFailed // agent programs take 2 for the wish to go on
	}
	if a.asJSON(cmd) {
		return errors.Join(f, encode(a.Err, f))
	}
	p := &term.Printer{W: a.Err, Color: a.ErrTerminal && a.Getenv("NO_COLOR") == "" && a.Getenv("TERM") != "dumb"}
	p.Printf("%s %s\n", p.Red("b2b:"), term.Escape(f.Message))
	if f.Hint != "" {
		p.Printf("     %s\n", term.Escape(f.Hint))
	}
	if f.RetryAfter > 0 {
		p.Printf("     Try again in %d s.\n", f.RetryAfter)
	}
	return f
}

// asJSON reports whether the caller wants JSON, also if its flags could not be read.
func (a *App) asJSON(cmd *cobra.Command) bool {
	if flag := cmd.Flags().Lookup("json"); flag != nil && flag.Changed {
		return flag.Value.String() == "true"
	}
	return slices.Contains(a.Args, "--json")
}

// explain returns the failure of an error: what was wrong, and what to do.
func (r *run) explain(err error) error {
	var f *Failure
	if err == nil || errors.As(err, &f) {
		return err
	}
	f = &Failure{Exit: ExitFailed, Code: "FAILED", Message: message(err)}
	var h *hinted
	if errors.As(err, &h) {
		f.Hint = h.hint
	}
	detail := b2b.DetailOf(err)
	switch {
	case detail != nil:
		f.fromServer(detail)
	case errors.Is(err, errNothing):
		f.Exit, f.Code = ExitNothing, "NOTHING"
	case context.Cause(r.ctx) == errTimeout:
		f.Exit, f.Code = ExitTimeout, "TIMEOUT"
		f.Message = fmt.Sprintf("no result within %v", r.timeout)
		f.hint("A larger --timeout waits longer; b2b doctor finds out why the server is slow.")
	case r.ctx.Err() != nil:
		f.Exit, f.Code, f.Message = ExitInterrupted, "INTERRUPTED", "interrupted"
	case errors.Is(err, profile.ErrNone), errors.Is(err, profile.ErrNoConnection):
		f.Exit, f.Code = ExitCredential, "NO_PROFILE"
	case errors.Is(err, profile.ErrOtherServer):
		f.Exit, f.Code = ExitCredential, "OTHER_SERVER"
	default:
		f.fromTransport(err, r)
	}
	return f
}

func (f *Failure) hint(text string) {
	if f.Hint == "" {
		f.Hint = text
	}
}

// message returns the text of an error, without the words of the transport around it.
func message(err error) string {
	var ce *connect.Error
	if errors.As(err, &ce) {
		return ce.Message()
	}
	return err.Error()
}

func (f *Failure) fromServer(d *b2bv1.ErrorDetail) {
	f.Code = strings.ToUpper(b2b.EnumText(d.GetCode()))
	f.Exit = exitOf(d.GetCode())
	if d.GetHint() != "" {
		f.Hint = d.GetHint()
	}
	f.RetryAfter, f.Extras = d.GetRetryAfter(), d.GetExtras()
	switch d.GetCode() {
	case b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN, b2bv1.ErrorCode_ERROR_CODE_TOKEN_EXPIRED,
		b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED:
		f.hint("b2b doctor shows which token was sent and why it is not accepted; b2b join gets another one.")
	case b2bv1.ErrorCode_ERROR_CODE_BOT_NOT_ACTIVE:
		f.hint("The agent waits for an admin of the org to approve it (b2b org approve NAME), or was rejected.")
	case b2bv1.ErrorCode_ERROR_CODE_INSUFFICIENT_SCOPE:
		f.hint("The token has not the scope for this: use the primary token of the bot, or one with that scope (b2b token create).")
	}
}

// httpStatus returns the status of a code, as the schema states it; 0 for a code of a later server.
func httpStatus(code b2bv1.ErrorCode) int {
	value := code.Descriptor().Values().ByNumber(code.Number())
	if value == nil {
		return 0
	}
	spec, _ := proto.GetExtension(value.Options(), optionsv1.E_Error).(*optionsv1.ErrorSpec)
	return int(spec.GetHttpStatus())
}

// exitOf returns the exit status of a code of the server, by its HTTP status.
func exitOf(code b2bv1.ErrorCode) int {
	switch httpStatus(code) {
	case 400, 413, 415, 416:
		return ExitUsage
	case 401:
		return ExitCredential
	case 403:
		return ExitForbidden
	case 404:
		return ExitNotFound
	case 409, 410:
		if code == b2bv1.ErrorCode_ERROR_CODE_QUOTA_EXCEEDED || code == b2bv1.ErrorCode_ERROR_CODE_THREAD_FULL {
			return ExitLimited
		}
		return ExitConflict
	case 429:
		return ExitLimited
	case 503:
		return ExitUnreachable
	}
	return ExitFailed
}

// fromTransport explains a call that got no answer of a server of this protocol.
func (f *Failure) fromTransport(err error, r *run) {
	where := ""
	if r.conn != nil {
		where = r.conn.URL
	}
	var config *b2b.ConfigError
	var lookup *net.DNSError
	var dial *net.OpError
	var certificate *tls.CertificateVerificationError
	var ce *connect.Error
	switch {
	case errors.As(err, &config):
		f.Exit, f.Code, f.Message = ExitUsage, "USAGE", config.Problem
	case errors.As(err, &certificate):
		f.Exit, f.Code = ExitUnreachable, "TLS"
		f.hint("The certificate of " + where + " is not trusted here. b2b doctor says why.")
	case errors.As(err, &lookup):
		f.Exit, f.Code, f.Message = ExitUnreachable, "UNREACHABLE", fmt.Sprintf("the name %s is unknown: %v", lookup.Name, lookup.Err)
		f.hint("Check the address of the server. b2b doctor looks further.")
	case errors.As(err, &dial):
		f.Exit, f.Code, f.Message = ExitUnreachable, "UNREACHABLE", "the server does not answer: "+dial.Error()
		f.hint("Is it running, and is the address right? b2b doctor looks further.")
	case errors.As(err, &ce):
		f.Exit, f.Code = ExitUnreachable, "UNREACHABLE"
		f.hint("That is no answer of a B2B server. b2b doctor looks further.")
	}
}
