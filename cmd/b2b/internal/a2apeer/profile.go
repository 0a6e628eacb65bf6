package a2apeer

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/b2b-protocol/b2b/internal/limits"
)

const (
	mostTags = 20
	mostTag  = 64 // bytes
)

// Profile is what a bot takes from the card of an agent.
type Profile struct {
	Name string // empty: the name of the card gives none
	Bio  string
	Tags []string
}

// Profile returns the profile of the agent, within the limits of the API. It has no characters that do
// not show themselves.
func (c *Card) Profile() Profile {
	p := Profile{Name: botName(c.Name), Bio: clean(c.Description, limits.MaxBio)}
	for _, skill := range c.Skills {
		for _, tag := range skill.Tags {
			if tag = clean(tag, mostTag); tag != "" && len(p.Tags) < mostTags && !slices.Contains(p.Tags, tag) {
				p.Tags = append(p.Tags, tag)
			}
		}
	}
	return p
}

// botName makes the name of a bot of the name of an agent: "Weather Agent (EU)" is weather-agent-eu.
func botName(text string) string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(strings.ToLower(text)) {
		switch {
		case r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r)) || r == '_':
			b.WriteRune(r)
		case unicode.Is(unicode.Mn, r): // the accent of the letter before
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() == limits.MaxBotName {
			break
		}
	}
	name := strings.Trim(b.String(), "-_")
	if limits.BotName(name) != nil {
		return ""
	}
	return name
}

// clean returns a text of others in one line of at most most bytes, without characters that do not show
// themselves.
func clean(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r):
			return ' '
		case r == utf8.RuneError || unicode.In(r, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp) && r != '\u200c' && r != '\u200d':
			return -1
		}
		return r
	}, text)
	return cut(strings.Join(strings.Fields(text), " "), most)
}

// cut returns as much of a text as most bytes hold.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return strings.TrimSpace(text[:most])
}
