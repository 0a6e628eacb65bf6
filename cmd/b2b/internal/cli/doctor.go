package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/term"
)

// The states of a check.
const (
	stateOK      = "ok"
	stateWarning = "warning"
	stateFailed  = "failed"
	stateSkipped = "skipped"
)

// finding is the result of a check.
type finding struct {
	Check   string `json:"check"`
	State   string `json:"state"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`

	exit int // of a failure
}

func fine(format string, args ...any) finding {
	return finding{State: stateOK, Message: fmt.Sprintf(format, args...)}
}

func warning(hint, format string, args ...any) finding {
	return finding{State: stateWarning, Message: fmt.Sprintf(format, args...), Hint: hint}
}

func failed(exit int, hint, format string, args ...any) finding {
	return finding{State: stateFailed, Message: fmt.Sprintf(format, args...), Hint: hint, exit: exit}
}

// check is a check; what comes after one that failed and is needed is skipped.
type check struct {
	name   string
	needed bool
	do     func(*patient, context.Context) finding
}

func (a *App) doctor() *cobra.Command {
	return a.verb(&cobra.Command{
		Use:   "doctor",
		Short: "Find out what is wrong with the connection to the server",
		Long: "Check the way to the server step by step, and say what to do: profile, address, proxy, name,\n" +
			"connection, TLS, version, health, clock, token, scopes, WebSocket and server-sent events. The exit\n" +
			"status is that of the first check that failed.",
		Example: example("b2b doctor", "b2b doctor --profile reviewer --json", "b2b doctor --url https://b2b.example.org"),
	}, func(r *run, _ []string) error {
		p := &patient{run: r}
		checks := []check{
			{"profile", false, (*patient).profile}, {"address", true, (*patient).checkAddress}, {"proxy", false, (*patient).proxy},
			{"name", true, (*patient).name}, {"connection", true, (*patient).connection}, {"tls", true, (*patient).checkTLS},
			{"version", true, (*patient).version}, {"health", false, (*patient).health}, {"clock", false, (*patient).checkClock},
			{"token", true, (*patient).token}, {"scopes", false, (*patient).scopes}, {"websocket", false, (*patient).websocket},
			{"events", false, (*patient).events}, {"programs", false, (*patient).programs},
		}
		return r.examine(p, checks)
	}, func(s *verbSettings) { s.timeout = doctorTime })
}

// examine runs checks, and fails with the status of the first that failed.
func (r *run) examine(p *patient, checks []check) error {
	var first *finding
	blocked := ""
	for _, c := range checks {
		f := finding{State: stateSkipped, Message: "needs: " + blocked}
		if blocked == "" {
			f = c.do(p, r.ctx)
		}
		f.Check = c.name
		if err := r.found(f); err != nil {
			return err
		}
		if f.State == stateFailed {
			if first == nil {
				first = &f
			}
			if c.needed {
				blocked = c.name
			}
		}
		if r.ctx.Err() != nil {
			return context.Cause(r.ctx)
		}
	}
	if first == nil {
		return nil
	}
	return &Failure{Exit: first.exit, Code: "DOCTOR", Message: "the check of the " + first.Check + " failed: " + first.Message,
		Hint: first.Hint}
}

// found writes the result of a check.
func (r *run) found(f finding) error {
	return r.showJSON(f, func() {
		state := f.State
		switch f.State {
		case stateOK:
			state = r.out.Green(pad(state, 8))
		case stateWarning:
			state = r.out.Yellow(pad(state, 8))
		case stateFailed:
			state = r.out.Red(pad(state, 8))
		default:
			state = r.out.Dim(pad(state, 8))
		}
		r.out.Printf("%s %s %s\n", state, r.out.Bold(pad(f.Check, 10)), term.Line(f.Message))
		if f.Hint != "" {
			r.out.Body("                    ", f.Hint)
		}
	})
}

// reason returns the text of an error as the verbs explain it.
func (r *run) reason(err error) (message, hint string, exit int) {
	var f *Failure
	if errors.As(r.explain(err), &f) {
		return f.Message, f.Hint, f.Exit
	}
	return err.Error(), "", ExitFailed
}
