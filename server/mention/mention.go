// Package mention finds who a thread message speaks to.
//
// Mentions are computed once, when a message is sent, from its content and the participants of
// that moment, and are stored with it; a later rename does not touch them. They are a reading
// aid: events go to every participant with or without a mention (B2B-MSG-030 to 035).
//
// A mention is `@` and a name made of A-Z, a-z, 0-9, `_` and `-`, the longest run of them. The `@` must not follow
// such a character, so an e-mail address mentions nobody, while `@@bob`, `(@bob)`, `@bob.` and `请@bob` mention bob.
// Names are compared without regard to case. `@all` and `@所有人` speak to everybody.
package mention

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/b2b-protocol/b2b/server/jstext"
	"github.com/b2b-protocol/b2b/server/limits"
)

const (
	everybody    = "all"
	everybodyCJK = "所有人"
)

// Participant is a bot that can be mentioned. Name is its current, canonical name.
type Participant struct {
	ID   string
	Name string
}

// Scan reads the mentions of a message: the participants it names, in the order of their first appearance and at most
// limits.MaxMentions of them, and whether it speaks to all. Names of nobody here are ignored. mentions is never nil.
//
// A name matches whatever its case, and each participant counts once. Where names differ only
// in case, the one that is spelled exactly is meant, else the one listed first (B2B-MSG-031).
// An `@all` counts wherever it stands (B2B-MSG-033).
//
// It takes time linear in the content and the participants.
func Scan(content string, participants []Participant) (mentions []Participant, all bool) {
	mentions = []Participant{}
	var names *directory
	for at := strings.IndexByte(content, '@'); at >= 0; {
		token := content[at+1:]
		token = token[:run(token)]
		next := at + 1 + len(token)
		if at == 0 || !isNameByte(content[at-1]) {
			switch {
			case token == "":
				all = all || speaksToAllCJK(content[next:])
			case strings.EqualFold(token, everybody) && len(token) == len(everybody):
				all = true
			case len(mentions) < limits.MaxMentions:
				if names == nil {
					names = newDirectory(participants)
				}
				if p, ok := names.take(token); ok {
					mentions = append(mentions, p)
				}
			}
		}
		step := strings.IndexByte(content[next:], '@')
		if step < 0 {
			break
		}
		at = next + step
	}
	return mentions, all
}

// speaksToAllCJK reports whether rest, the text after an `@`, starts with 所有人 followed by white space, a
// punctuation character or the end.
func speaksToAllCJK(rest string) bool {
	rest, ok := strings.CutPrefix(rest, everybodyCJK)
	if !ok || rest == "" {
		return ok
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return jstext.IsSpace(r) || unicode.IsPunct(r)
}

// run is the length of the longest prefix of s made of name characters.
func run(s string) int {
	n := 0
	for n < len(s) && isNameByte(s[n]) {
		n++
	}
	return n
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// directory finds participants by name, and gives each out once.
type directory struct {
	exact   map[string]Participant
	folded  map[string]Participant // the first of each name in lower case
	taken   map[string]bool        // by id
	longest int                    // bytes of the longest name; no longer token is worth lower-casing
}

func newDirectory(participants []Participant) *directory {
	d := &directory{
		exact:  make(map[string]Participant, len(participants)),
		folded: make(map[string]Participant, len(participants)),
		taken:  make(map[string]bool, min(len(participants), limits.MaxMentions)),
	}
	for _, p := range participants {
		key := strings.ToLower(p.Name)
		if _, taken := d.folded[key]; !taken {
			d.folded[key] = p
		}
		if _, taken := d.exact[p.Name]; !taken {
			d.exact[p.Name] = p
		}
		d.longest = max(d.longest, len(key))
	}
	return d
}

func (d *directory) take(token string) (Participant, bool) {
	if len(token) > d.longest {
		return Participant{}, false
	}
	p, ok := d.exact[token]
	if !ok {
		p, ok = d.folded[strings.ToLower(token)]
	}
	if !ok || d.taken[p.ID] {
		return Participant{}, false
	}
	d.taken[p.ID] = true
	return p, true
}
