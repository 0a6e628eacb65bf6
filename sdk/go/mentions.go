package b2b

import (
	"strings"
	"unicode"
	"unicode/utf8"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

const (
	mentionAll    = "all"
	mentionAllCJK = "所有人"
	mostMentions  = 20 // that are listed
)

// ParseMentions returns the participants of a thread that a text mentions, each once and in the
// order of the text, at most 20 of them, and whether it mentions all (@all, @所有人). It finds what
// the server finds when the text is sent (B2B-SDK-030), and needs of the participants their bot_id
// and name.
func ParseMentions(text string, participants []*b2bv1.ThreadParticipant) (mentions []*b2bv1.Mention, all bool) {
	taken := map[string]bool{}
	for at := strings.IndexByte(text, '@'); at >= 0; {
		from, to := at+1, at+1
		for to < len(text) && inName(text[to]) {
			to++
		}
		if name := text[from:to]; at == 0 || !inName(text[at-1]) {
			switch {
			case name == "":
				all = all || allCJK(text[to:])
			case equalFold(name, mentionAll):
				all = true
			case len(mentions) < mostMentions:
				if p := named(participants, name); p != nil && !taken[p.GetBotId()] {
					taken[p.GetBotId()] = true
					mentions = append(mentions, &b2bv1.Mention{BotId: p.GetBotId(), Name: p.GetName()})
				}
			}
		}
		step := strings.IndexByte(text[to:], '@')
		if step < 0 {
			break
		}
		at = to + step
	}
	return mentions, all
}

// named returns the participant of a name: of exactly this spelling, else the first that differs
// only in the case of ASCII letters; nil: none.
func named(participants []*b2bv1.ThreadParticipant, name string) (found *b2bv1.ThreadParticipant) {
	for _, p := range participants {
		if p.GetName() == name {
			return p
		}
		if found == nil && equalFold(p.GetName(), name) {
			found = p
		}
	}
	return found
}

// equalFold is strings.EqualFold for a text of ASCII characters and another text: the long s and
// the Kelvin sign are no letters of names.
func equalFold(s, ascii string) bool { return len(s) == len(ascii) && strings.EqualFold(s, ascii) }

// allCJK reports whether the text after an @ begins with 所有人, and then white space, punctuation
// or the end.
func allCJK(rest string) bool {
	rest, ok := strings.CutPrefix(rest, mentionAllCJK)
	if !ok || rest == "" {
		return ok
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return isSpace(r) || unicode.IsPunct(r)
}

// isSpace reports whether ECMAScript counts a character as white space, as the server does.
func isSpace(r rune) bool { return r == '\ufeff' || r != '\u0085' && unicode.IsSpace(r) }

func inName(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}
