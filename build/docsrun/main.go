// Command docsrun runs the fenced blocks of the pages that users read first, as a user would who
// pastes them one after the other: README.md, docs/quick-start.md, the pages of the SDKs. A page
// fails at its first block that fails. Blocks tagged sh, ts, js, python and go are run.
//
//	build/docsrun.sh                               # all pages
//	build/docsrun.sh -v docs/use/sdks.md           # one page; prints what its blocks print
//	build/docsrun.sh -keep /tmp/docs sdk/*/README.md   # keeps the installed SDKs for the next run
//
// Without a page, or with the name "examples" among them, it also runs the example agents in the
// folders examples of the SDKs, and checks what they do.
//
// # Where a block runs
//
// Each page has an org of its own on a server that all pages share, an empty folder, and these
// variables: B2B_URL, B2B_TOKEN of the bot my-agent, OTHER_TOKEN of other-bot, ANALYST_TOKEN of
// data-analyst-bot, ORG_ID and ORG_SECRET. The text localhost:4800 in a block is replaced by the
// address of the server. A page that starts a server itself has none of this.
//
// The sh blocks of a page share one shell; what they export, the blocks of other languages have in
// their environment. A failed command ends it, and an HTTP error is a failure of curl. The SDKs are
// installed by the commands of the pages, in a folder with a checkout in ../b2b. Blocks in
// TypeScript are type-checked strictly and run by Node as ES modules. In Go, a block is a file, or
// declarations, or the body of func(ctx context.Context) error; the usual packages need no import
// then. Functions that are tests are called. Lines in errors are those of the page.
//
// # Directives
//
// A comment directly before a block says how it is run. It can have several of these, separated by
// commas:
//
//	<!-- run: not, REASON -->         it is not run; a test of this package lists these blocks
//	<!-- run: compile, REASON -->     it is compiled only; the same test lists them
//	<!-- run: server -->              starts the server of the page, which runs to its end; server "TEXT"
//	                                  for one that prints TEXT when it is ready
//	<!-- run: install -->             installs an SDK: runs once, for all pages that have the same text
//	<!-- run: background "TEXT" -->   runs to the end of the page; the next block waits for TEXT, if given
//	<!-- run: until "TEXT" -->        a listener: it is ended when it has printed TEXT, or when other-bot
//	                                  has received a message that contains TEXT
//	<!-- run: peer "TEXT" -->         other-bot sends TEXT to my-agent while the block runs
//	<!-- run: prints "TEXT" -->       it must print TEXT
//	<!-- run: shows "TEXT" -->        the newest background block must print TEXT, because of this one
//	<!-- run: file "agent.py" -->     it is compiled and written to this file, for a later block
//	<!-- run: with previous -->       it continues the block of the same language before it
//	<!-- run: needs "flask" -->       it needs a framework: express, hono, fastapi or flask
//
// Two more comments have lines of their own:
//
//	<!-- setup python                 code before each later block of this language, until the next
//	client = Client(…)                setup; that of sh is run once, like a block
//	-->
//	<!-- meanwhile                    shell commands that are run every half second while the next
//	curl …                            block runs, such as what a peer does
//	-->
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// patterns are the pages that are run, below the root of the repository.
var patterns = []string{"README.md", "docs/quick-start.md", "docs/use/frameworks.md", "docs/use/sdks.md", "docs/use/sdk-*.md", "sdk/*/README.md"}

// examplesName stands for the example agents where pages are named.
const examplesName = "examples"

// installPage has the installation of the SDKs.
const installPage = "docs/use/sdks.md"

func main() {
	binary := flag.String("server", "", "the built server")
	compiled := flag.String("typescript", "", "the folder of the compiled TypeScript SDK, so that it is not compiled again")
	keep := flag.String("keep", "", "the folder of the installed SDKs: a later run with the same SDKs uses it again")
	parallel := flag.Int("parallel", 3, "how many pages run at the same time")
	verbose := flag.Bool("v", false, "print what the blocks print")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := runAll(ctx, *binary, *compiled, *keep, *parallel, *verbose, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1)
	}
}

func runAll(ctx context.Context, binary, compiled, keep string, parallel int, verbose bool, names []string) (err error) {
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	if binary, err = filepath.Abs(binary); err != nil {
		return err
	}
	withExamples := len(names) == 0
	named := names[:0:0]
	for _, name := range names {
		if name == examplesName {
			withExamples = true
		} else {
			named = append(named, name)
		}
	}
	var pages []*page
	if len(names) == 0 || len(named) > 0 {
		if pages, err = readPages(root, named); err != nil {
			return err
		}
	}
	folder, err := os.MkdirTemp("", "docsrun-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	p := &project{root: root, folder: folder, compiled: compiled}
	if keep != "" {
		if p.folder, err = filepath.Abs(keep); err != nil {
			return err
		}
	}
	return runPages(ctx, p, pages, binary, folder, parallel, verbose, withExamples)
}

// readPages reads these pages, or all if none is named.
func readPages(root string, names []string) (pages []*page, err error) {
	if len(names) == 0 {
		for _, pattern := range patterns {
			found, err := filepath.Glob(filepath.Join(root, pattern))
			if err != nil {
				return nil, err
			}
			for _, f := range found {
				name, err := filepath.Rel(root, f)
				if err != nil {
					return nil, err
				}
				names = append(names, name)
			}
		}
	}
	for _, name := range names {
		page, err := readPage(root, name)
		if err != nil {
			return nil, err
		}
		pages = append(pages, page)
	}
	return pages, nil
}

func runPages(ctx context.Context, p *project, pages []*page, binary, folder string, parallel int, verbose, withExamples bool) error {
	binaries := filepath.Join(folder, "bin")
	if err := os.Mkdir(binaries, 0o700); err != nil {
		return err
	}
	if err := os.Symlink(binary, filepath.Join(binaries, "b2b")); err != nil {
		return err
	}
	shared, err := startServer(ctx, binary, folder)
	if err != nil {
		return err
	}
	defer shared.end()

	installed := pages
	if !slices.ContainsFunc(pages, func(p *page) bool { return p.name == installPage }) {
		page, err := readPage(p.root, installPage)
		if err != nil {
			return err
		}
		installed = append(slices.Clone(pages), page)
	}
	begun := time.Now()
	if err := p.install(ctx, binaries, installed); err != nil {
		return err
	}
	fmt.Printf("installed the SDKs (%.1f s)\n", time.Since(begun).Seconds())
	addresses := map[*page]string{}
	for _, page := range pages {
		addresses[page] = shared.addr
		if page.hasServer() {
			port, err := freePort()
			if err != nil {
				return err
			}
			addresses[page] = "localhost:" + port
		}
	}
	programs, err := p.build(ctx, pages, func(p *page) string { return addresses[p] }, withExamples)
	if err != nil {
		return err
	}

	errs := make([]error, len(pages)+1)
	slots := make(chan struct{}, parallel)
	var all sync.WaitGroup
	for i, page := range pages {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			begun := time.Now()
			env := append(slices.Clone(p.env), "PATH="+binaries+":"+valueOf(p.env, "PATH"))
			if page.hasServer() {
				_, port, err := net.SplitHostPort(addresses[page])
				if err != nil {
					errs[i] = err
					return
				}
				env = append(env, "B2B_PORT="+port, "B2B_HOST=127.0.0.1", "B2B_LOG_LEVEL=info")
			} else {
				team, err := shared.team(ctx)
				if err != nil {
					errs[i] = err
					return
				}
				env = append(env, team...)
			}
			r := &run{page: page, project: p, programs: programs, addr: addresses[page], verbose: verbose}
			if errs[i] = r.do(ctx, env); errs[i] == nil {
				fmt.Printf("%s: %d programs (%.1f s)\n", page.name, len(page.units), time.Since(begun).Seconds())
			}
		})
	}
	if withExamples {
		all.Go(func() {
			begun := time.Now()
			if errs[len(pages)] = (&examples{project: p, server: shared}).run(ctx); errs[len(pages)] == nil {
				fmt.Printf("example agents (%.1f s)\n", time.Since(begun).Seconds())
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
