package main

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// languages are the tags of fenced blocks that are run. Other names of these languages are errors,
// so that no block is left out by mistake.
var (
	languages = []string{"sh", "ts", "js", "python", "go"}
	otherTags = []string{"", "bash", "shell", "console", "zsh", "typescript", "javascript", "mjs", "py", "python3", "golang"}
)

// frameworks are the packages that a block may need beside the SDK. They are among the tools of
// the build.
var frameworks = []string{"express", "hono", "fastapi", "flask"}

// A page is a Markdown file with the programs of its fenced blocks.
type page struct {
	name  string // path in the repository
	lines int
	units []*unit
}

// hasServer reports whether a block of the page starts a server of its own.
func (p *page) hasServer() bool {
	return slices.ContainsFunc(p.units, func(u *unit) bool { return u.server })
}

// A unit is what runs as one program: a block, or several that continue each other, with the setup
// before it.
type unit struct {
	page      string
	language  string
	setup     part
	blocks    []part
	meanwhile string // shell commands for the time in which it runs
	hidden    bool   // it is a setup of the shell
	directive
}

// A part is text of a page.
type part struct {
	line int // of its first line, from 1
	text string
}

// line is where the last block of the unit starts.
func (u *unit) line() int { return u.blocks[len(u.blocks)-1].line }

// id names the unit in file names and Go packages.
func (u *unit) id() string {
	return fmt.Sprintf("%s_%d", regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(strings.TrimSuffix(u.page, ".md")), "_"), u.line())
}

// A directive says how a block is run.
type directive struct {
	not        string // why it is not run
	compile    string // why it is compiled only
	server     bool
	install    bool
	background bool
	previous   bool
	ready      string // a server or background block is ready when it has printed this
	until      string
	prints     string
	shows      string // the newest background block prints this
	peer       string
	file       string
	needs      []string
}

var item = regexp.MustCompile(`^(not|compile),\s*(\S.*)$|^(server|install|background|with previous|until|prints|shows|peer|file|needs)(?:\s+"([^"]+)")?\s*(?:,\s*|$)`)

// parse adds the items of a comment "run: …" to the directive.
func (d *directive) parse(text string) error {
	if text == "" {
		return errors.New("the directive is empty")
	}
	for text != "" {
		m := item.FindStringSubmatch(text)
		if m == nil {
			return fmt.Errorf("unknown directive %q", text)
		}
		word, value := m[3], m[4]
		if takes := slices.Contains([]string{"until", "prints", "shows", "peer", "file", "needs"}, word); takes && value == "" {
			return fmt.Errorf("%s needs a text in double quotes", word)
		} else if !takes && word != "background" && word != "server" && value != "" {
			return fmt.Errorf("%s takes no text", word)
		}
		switch {
		case m[1] == "not":
			d.not = m[2]
		case m[1] == "compile":
			d.compile = m[2]
		case word == "server":
			d.server, d.ready = true, value
		case word == "install":
			d.install = true
		case word == "background":
			d.background, d.ready = true, value
		case word == "with previous":
			d.previous = true
		case word == "until":
			d.until = value
		case word == "prints":
			d.prints = value
		case word == "shows":
			d.shows = value
		case word == "peer":
			d.peer = value
		case word == "file":
			if value != filepath.Base(value) {
				return fmt.Errorf("file %q: name a file without a folder", value)
			}
			d.file = value
		case word == "needs":
			if !slices.Contains(frameworks, value) {
				return fmt.Errorf("needs %q: a block can need %s", value, strings.Join(frameworks, ", "))
			}
			d.needs = append(d.needs, value)
		}
		text = text[len(m[0]):]
	}
	return nil
}

// check refuses directives that do not go together.
func (u *unit) check() error {
	switch {
	case u.not != "" && u.compile != "":
		return errors.New("not and compile exclude each other")
	case (u.server || u.install) && u.language != "sh":
		return errors.New("server and install are for sh")
	case u.compile != "" && u.language == "sh":
		return errors.New("compile is not for sh")
	case u.background && u.until != "":
		return errors.New("background and until exclude each other: background takes a text, too")
	case u.shows != "" && u.language != "sh":
		return errors.New("shows is for sh")
	case u.peer != "" && u.until == "" && !u.background:
		return errors.New("peer needs until or background")
	}
	return nil
}

func readPage(root, name string) (*page, error) {
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		return nil, err
	}
	return parsePage(path.Clean(filepath.ToSlash(name)), string(text))
}

// A reader is the state of parsePage.
type reader struct {
	*page
	lines     []string
	setups    map[string]part // by language
	directive *string         // of the next block
	meanwhile string
	previous  map[string]*unit // the last unit of each language
}

var (
	fence   = regexp.MustCompile("^( *)(```+)([^`]*)$")
	comment = regexp.MustCompile(`^ *<!-- (run:|setup|meanwhile)(.*)$`)
)

// parsePage reads the blocks of a page and the comments before them.
func parsePage(name, text string) (*page, error) {
	lines := strings.Split(text, "\n")
	r := &reader{page: &page{name: name, lines: len(lines)}, lines: lines, setups: map[string]part{}, previous: map[string]*unit{}}
	for i := 0; i < len(lines); i++ {
		var err error
		at := i + 1
		if m := comment.FindStringSubmatch(lines[i]); m != nil {
			i, err = r.comment(i, m[1], m[2])
		} else if m := fence.FindStringSubmatch(lines[i]); m != nil {
			i, err = r.block(i, m[1], m[2], strings.TrimSpace(m[3]))
		} else if strings.TrimSpace(lines[i]) != "" && (r.directive != nil || r.meanwhile != "") {
			err = errors.New("the comment before this line is not directly before a block")
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, at, err)
		}
	}
	if r.directive != nil || r.meanwhile != "" {
		return nil, fmt.Errorf("%s: the last comment has no block after it", name)
	}
	return r.page, nil
}

// comment reads the comment that starts at line i, and returns its last line.
func (r *reader) comment(i int, kind, rest string) (end int, err error) {
	end = i
	for !strings.Contains(r.lines[end], "-->") {
		if end++; end == len(r.lines) {
			return i, errors.New("the comment has no end")
		}
	}
	body := strings.Join(append([]string{rest}, r.lines[i+1:end+1]...), "\n")
	body, after, _ := strings.Cut(body, "-->")
	if strings.TrimSpace(after) != "" {
		return i, errors.New("text follows the comment on its last line")
	}
	head, code, _ := strings.Cut(body, "\n")
	switch kind {
	case "run:":
		if r.directive != nil {
			return i, errors.New("two directives before one block: put them into one comment")
		}
		text := strings.Join(strings.Fields(body), " ")
		r.directive = &text
	case "meanwhile":
		r.meanwhile = head + "\n" + code
	case "setup":
		language := strings.TrimSpace(head)
		if !slices.Contains(languages, language) {
			return i, fmt.Errorf("setup of %q: want one of %s", language, strings.Join(languages, ", "))
		}
		setup := part{line: i + 2, text: code}
		if language == "sh" {
			r.units = append(r.units, &unit{page: r.name, language: language, blocks: []part{setup}, hidden: true})
		} else {
			r.setups[language] = setup
		}
	}
	return end, nil
}

// block reads the fenced block that starts at line i, and returns its last line.
func (r *reader) block(i int, indent, marks, tag string) (end int, err error) {
	var code []string
	for end = i + 1; ; end++ {
		if end == len(r.lines) {
			return i, errors.New("the block has no end")
		}
		if strings.TrimSpace(r.lines[end]) == marks {
			break
		}
		code = append(code, strings.TrimPrefix(r.lines[end], indent))
	}
	text, meanwhile := r.directive, r.meanwhile
	r.directive, r.meanwhile = nil, ""
	language, _, _ := strings.Cut(tag, " ")
	if slices.Contains(otherTags, language) {
		return i, fmt.Errorf("a block has the tag %q: use one of %s, or text", language, strings.Join(languages, ", "))
	}
	if !slices.Contains(languages, language) {
		if text != nil || meanwhile != "" {
			return i, fmt.Errorf("a block of %q is not run, so it takes no directive", language)
		}
		return end, nil
	}
	return end, r.add(language, text, meanwhile, part{line: i + 2, text: strings.Join(code, "\n") + "\n"})
}

// add makes a unit of a block, or adds the block to the unit that it continues.
func (r *reader) add(language string, text *string, meanwhile string, block part) error {
	var d directive
	if text != nil {
		if err := d.parse(*text); err != nil {
			return err
		}
	}
	u := &unit{page: r.name, language: language, setup: r.setups[language]}
	if d.previous {
		before := r.previous[language]
		switch {
		case before == nil || language == "sh":
			return errors.New("with previous: there is no earlier block to continue")
		case before.not != "":
			return errors.New("with previous: the earlier block is not run")
		}
		r.units = slices.DeleteFunc(r.units, func(u *unit) bool { return u == before })
		u = before
		if err := u.parse(*text); err != nil { // together with those of the earlier blocks
			return err
		}
	} else {
		u.directive = d
	}
	u.blocks = append(u.blocks, block)
	u.meanwhile += meanwhile
	r.units, r.previous[language] = append(r.units, u), u
	return u.check()
}
