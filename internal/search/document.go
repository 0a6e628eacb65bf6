package search

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/b2b-protocol/b2b/internal/searchindex"
	"github.com/b2b-protocol/b2b/internal/searchtext"
	"github.com/b2b-protocol/b2b/internal/store"
)

// Fields returns the texts that a document is found by.
func Fields(s *store.SearchSource) []searchtext.Field {
	switch s.Kind {
	case store.SearchThreadMessage, store.SearchChannelMessage:
		return fields(field("content", s.Body, 1), field("parts", textsOf(s.More), 1))
	case store.SearchThread:
		return fields(field("topic", s.Title, 4), field("tags", textsOf(s.More), 2), field("context", textsOf(s.Body), 1))
	case store.SearchArtifact:
		return fields(field("artifact_key", &s.Name, 3), field("title", s.Title, 4), field("content", s.Body, 1), field("url", s.More, 1))
	case store.SearchBot:
		return fields(field("name", &s.Name, 4), field("role", s.Title, 2), field("bio", s.Body, 1), field("profile", profileOf(s.More), 1))
	case store.SearchFile:
		return fields(field("name", &s.Name, 4))
	}
	return nil
}

// profileOf returns the texts of a profile, whose tags are a JSON array.
func profileOf(parts *string) *string {
	if parts == nil {
		return nil
	}
	var texts []string
	for part := range strings.SplitSeq(*parts, store.SearchParts) {
		if strings.HasPrefix(part, "[") {
			part = *textsOf(&part)
		}
		if part != "" {
			texts = append(texts, part)
		}
	}
	return new(strings.Join(texts, "\n"))
}

func field(name string, text *string, weight int) searchtext.Field {
	f := searchtext.Field{Name: name, Weight: weight}
	if text != nil {
		f.Text = *text
	}
	return f
}

// fields leaves out fields without a text.
func fields(all ...searchtext.Field) []searchtext.Field {
	out := all[:0]
	for _, f := range all {
		if f.Text != "" {
			out = append(out, f)
		}
	}
	return out
}

// notSearched are the members of parts that are not for readers.
var notSearched = map[string]bool{"type": true, "mime_type": true, "content_type": true}

// textsOf returns the texts in JSON, one a line, or the text itself if it is no JSON.
func textsOf(text *string) *string {
	if text == nil {
		return nil
	}
	var v any
	if json.Unmarshal([]byte(*text), &v) != nil {
		return text
	}
	var b strings.Builder
	appendStrings(&b, v)
	out := b.String()
	return &out
}

func appendStrings(b *strings.Builder, v any) {
	switch v := v.(type) {
	case string:
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(v)
	case []any:
		for _, e := range v {
			appendStrings(b, e)
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if !notSearched[k] {
				appendStrings(b, v[k])
			}
		}
	}
}

// add adds a document to the segment that is being built.
func (x *Indexer) add(s *store.SearchSource) {
	b := x.build
	b.Next()
	word := func(token []byte) bool { return b.AddWord(token) < searchtext.MaxTokens }
	for _, f := range Fields(s) {
		if !x.split.Split(f.Text, word) {
			break
		}
	}
	b.Add(searchindex.Kind(int(s.Kind)))
	b.Add(searchindex.Day(s.At))
	if s.ScopeID != "" {
		b.Add(searchindex.Scope(s.ScopeID))
	}
	if s.AuthorID != nil {
		b.Add(searchindex.Author(*s.AuthorID))
	}
}

// fileURL finds the ids of files in their URLs.
var fileURL = regexp.MustCompile(`/api/files/([0-9A-Za-z-]{1,64})`)

// maxRefs bounds how many files a document refers to.
const maxRefs = 64

// refs returns the files that a document in a thread or channel refers to.
func refs(org string, s *store.SearchSource) (out []store.SearchRef) {
	if s.ScopeID == "" {
		return nil
	}
	for _, text := range []*string{s.Body, s.More} {
		if text == nil || !strings.Contains(*text, "/api/files/") {
			continue
		}
		for _, m := range fileURL.FindAllStringSubmatch(*text, maxRefs) {
			out = append(out, store.SearchRef{OrgID: org, FileID: m[1], ScopeID: s.ScopeID})
		}
	}
	return out
}
