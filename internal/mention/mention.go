// Package mention finds the participants that a thread message mentions.
//
// Mentions are found once, when a message is sent, from its content and the current participants,
// and are stored with the message. A later rename does not change them. They do not affect
// delivery: all participants receive the events of a thread, mentioned or not (B2B-MSG-030 to 035).
//
// A mention is `@` and a name, the longest run of A-Z, a-z, 0-9, `_` and `-`. The `@` must not
// follow such a character, so an e-mail address is no mention, while `@@bob`, `(@bob)`, `@bob.` and
// `请@bob` mention bob. Names are compared without regard to case. `@all` and `@所有人` mention
// everybody.
package mention

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/b2b-protocol/b2b/internal/jstext"
	"github.com/b2b-protocol/b2b/internal/limits"
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

// Found is what Scan finds in a message.
type Found struct {
	Mentions []Participant // in the order of their first appearance, at most limits.MaxMentions
	All      bool          // it mentions all
	Beyond   []Participant // mentioned too, after limits.MaxMentions others; at most limits.MaxNotReached
	Others   []string      // the names of no participant, as written, each once; at most limits.MaxNotReached
	More     bool          // Beyond or Others would have had more
}

// Scan returns whom a message mentions, and the names in it that no participant has. Names of more
// than limits.MaxBotName bytes, which no bot has, are ignored.
//
// Names match without regard to case, and each participant counts once. Where names differ only in
// case, an exact match takes precedence, then the participant that is listed first (B2B-MSG-031).
// `@all` counts anywhere in the content (B2B-MSG-033).
//
// Its time is linear in the sizes of the content and the participants.
func Scan(content string, participants []Participant) (found Found) {
	var names *directory
	var others map[string]bool // in lower case
	for at := strings.IndexByte(content, '@'); at >= 0; {
		token := content[at+1:]
		token = token[:run(token)]
		next := at + 1 + len(token)
		if at == 0 || !isNameByte(content[at-1]) {
			switch {
			case token == "":
				found.All = found.All || mentionsAllCJK(content[next:])
			case strings.EqualFold(token, everybody) && len(token) == len(everybody):
				found.All = true
			default:
				if names == nil {
					names = newDirectory(participants)
				}
				if p, known := names.find(token); known {
					found.mention(p, names)
				} else {
					others = found.other(token, others)
				}
			}
		}
		step := strings.IndexByte(content[next:], '@')
		if step < 0 {
			break
		}
		at = next + step
	}
	return found
}

// mention adds a participant, unless it was added before.
func (f *Found) mention(p Participant, names *directory) {
	switch {
	case names.taken[p.ID]:
		return
	case len(f.Mentions) < limits.MaxMentions:
		f.Mentions = append(f.Mentions, p)
	case len(f.Beyond) < limits.MaxNotReached:
		f.Beyond = append(f.Beyond, p)
	default:
		f.More = true
		return
	}
	names.taken[p.ID] = true
}

// other adds the name of no participant, unless it is among the names in lower case that were added
// before. It returns these.
func (f *Found) other(token string, before map[string]bool) map[string]bool {
	if len(token) > limits.MaxBotName || f.More && len(f.Others) == limits.MaxNotReached {
		return before
	}
	key := strings.ToLower(token)
	switch {
	case before[key]:
	case len(f.Others) == limits.MaxNotReached:
		f.More = true
	default:
		if before == nil {
			before = make(map[string]bool, 1)
		}
		before[key] = true
		f.Others = append(f.Others, token)
	}
	return before
}

// mentionsAllCJK reports whether rest, the text after an `@`, starts with 所有人 followed by white
// space, a punctuation character or the end.
func mentionsAllCJK(rest string) bool {
	rest, ok := strings.CutPrefix(rest, everybodyCJK)
	if !ok || rest == "" {
		return ok
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return jstext.IsSpace(r) || unicode.IsPunct(r)
}

// run returns the length of the longest prefix of s of name characters.
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

// directory finds participants by name.
type directory struct {
	exact   map[string]Participant
	folded  map[string]Participant // the first of each name in lower case
	taken   map[string]bool        // the ids of those that were found before
	longest int                    // bytes of the longest name; longer tokens match none
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

// find returns the participant of a name.
func (d *directory) find(token string) (Participant, bool) {
	if len(token) > d.longest {
		return Participant{}, false
	}
	p, ok := d.exact[token]
	if !ok {
		p, ok = d.folded[strings.ToLower(token)]
	}
	return p, ok
}
