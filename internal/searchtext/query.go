package searchtext

import (
	"errors"
	"fmt"
	"strings"
)

// Query is a parsed query.
type Query struct {
	terms []term
	all   []string // the whole query as atoms, for the score
}

// term is what a text must have: its atoms one after another, or the identifier whole, if that is not
// empty.
type term struct {
	atoms []atom
	whole string
}

// The errors of ParseQuery. Their texts are for users.
var (
	ErrNothing = errors.New("has no letter and no digit, which are all that is searched for")
	ErrMany    = fmt.Errorf("has more than %d words or phrases", MaxTerms)
)

// ParseQuery reads a query. Everything is a valid query that has a letter or a digit, and at most
// MaxTerms terms.
func ParseQuery(text string) (*Query, error) {
	q := new(Query)
	for text != "" {
		var phrase string
		if text[0] == '"' {
			phrase, text, _ = strings.Cut(text[1:], `"`)
		} else {
			end := strings.IndexAny(text, " \t\r\n\"\u3000")
			if end < 0 {
				end = len(text)
			}
			phrase = text[:end]
			if text = text[end:]; phrase == "" && text[0] != '"' { // a separator, as a whole character
				text = strings.TrimLeft(text, " \t\r\n\u3000")
			}
		}
		atoms := scan(phrase)
		if len(atoms) == 0 {
			continue
		}
		if len(q.terms) == MaxTerms {
			return nil, ErrMany
		}
		t := term{atoms: atoms}
		if len(atoms) == atoms[0].parts {
			t.whole = atoms[0].whole
		}
		q.terms = append(q.terms, t)
		for _, a := range atoms {
			q.all = append(q.all, a.text)
		}
	}
	if len(q.terms) == 0 {
		return nil, ErrNothing
	}
	return q, nil
}

// Clause is a condition on the tokens of a text: it has all tokens of one of the alternatives.
type Clause [][]string

// Clauses returns the conditions that every text meets that matches.
func (q *Query) Clauses() []Clause {
	clauses := make([]Clause, len(q.terms))
	for i, t := range q.terms {
		var tokens []string
		seen := map[string]bool{}
		for k, a := range t.atoms {
			token := a.text
			switch {
			case a.joined:
				token = t.atoms[k-1].text + a.text
			case a.dense && k+1 < len(t.atoms) && t.atoms[k+1].joined:
				continue // the pairs have it
			}
			if !seen[token] {
				seen[token] = true
				tokens = append(tokens, token)
			}
		}
		clauses[i] = Clause{tokens}
		if t.whole != "" {
			clauses[i] = append(clauses[i], []string{t.whole})
		}
	}
	return clauses
}

// Tokens returns the different tokens of texts, at most MaxTokens.
func Tokens(texts ...string) []string {
	var tokens []string
	seen := make(map[string]struct{}, 64)
	var s Splitter
	for _, text := range texts {
		if !s.Split(text, func(token []byte) bool {
			if _, ok := seen[string(token)]; ok {
				return true
			}
			if len(tokens) == MaxTokens {
				return false
			}
			seen[string(token)] = struct{}{}
			tokens = append(tokens, string(token))
			return true
		}) {
			break
		}
	}
	return tokens
}
