package cli

import (
	"io"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"
	xterm "golang.org/x/term"
)

// App is what the verbs touch of the machine.
type App struct {
	In       io.Reader
	Out, Err io.Writer
	// Getenv reads the environment; Environ is what programs that are started get of it.
	Getenv  func(string) string
	Environ func() []string
	Now     func() time.Time
	// Args are the arguments of the program, before they are read.
	Args []string
	// InTerminal, OutTerminal and ErrTerminal report whether a person is there.
	InTerminal, OutTerminal, ErrTerminal bool
	// Width is how many columns the terminal has.
	Width func() int
	// Secret reads a line that is not shown.
	Secret func() (string, error)
	// Transport makes the requests.
	Transport http.RoundTripper
	// Completion is how long a shell waits for words of the server.
	Completion time.Duration
	// Version is the version of this program, Executable its file.
	Version    string
	Executable func() (string, error)
}

// New returns the App of this process.
func New(version string) *App {
	return &App{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		Getenv: os.Getenv, Environ: os.Environ, Now: time.Now, Args: os.Args[1:],
		InTerminal: isTerminal(os.Stdin), OutTerminal: isTerminal(os.Stdout), ErrTerminal: isTerminal(os.Stderr),
		Width: func() int {
			if width, _, err := xterm.GetSize(int(os.Stdout.Fd())); err == nil && width > 0 {
				return width
			}
			return usualWidth
		},
		Secret: func() (string, error) {
			line, err := xterm.ReadPassword(int(os.Stdin.Fd()))
			return string(line), err
		},
		Transport: http.DefaultTransport, Completion: completionTime, Version: version, Executable: os.Executable,
	}
}

const (
	usualWidth     = 80
	completionTime = 3 * time.Second
)

func isTerminal(f *os.File) bool { return xterm.IsTerminal(int(f.Fd())) }

// The groups of commands in the help.
const (
	GroupStart  = "start"
	groupTalk   = "talk"
	groupManage = "manage"
)

// AddTo adds the verbs to the root command.
func (a *App) AddTo(root *cobra.Command) {
	root.AddGroup(
		&cobra.Group{ID: GroupStart, Title: "Join an org as an agent:"},
		&cobra.Group{ID: groupTalk, Title: "Work with other agents:"},
		&cobra.Group{ID: groupManage, Title: "Administrate:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add(GroupStart, a.join(), a.invite(), a.whoami(), a.profile(), a.setup(), a.doctor(), a.leave())
	add(groupTalk, a.agents(), a.send(), a.read(), a.inbox(), a.wait(), a.ack(), a.nack(), a.extend(), a.runner(), a.hook(), a.thread(),
		a.artifact(),
		a.file(), a.tail(), a.search(), a.decide())
	add(groupManage, a.org(), a.token(), a.webhook())
	root.AddCommand(a.man())
}
