package searchtext

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                         "",
		"  -- ,.;":                 "",
		"The quick, brown fox.":    "the quick brown fox",
		"don't":                    "don t",
		"Übersetzung naïve Straße": "ubersetzung naive strasse",
		"U\u0308ber cafe\u0301":    "uber cafe",
		"ΣΊΣΥΦΟΣ σίσυφος":          "σισυφοσ",
		"Ёлка й":                   "елка и",
		"ＡＢＣ ﬁsh":                  "abc fish",
		"parseHTTPRequest_v2":      "parse http request v2 parsehttprequest_v2",
		"__init__ a_b":             "init a b a_b",
		"utf8 sha256Sum x509":      "utf8 sha256 sum sha256sum x509",
		"snake_case camelCase":     "snake case snake_case camel camelcase",
		"数据库":                      "数 据 数据 库 据库",
		"B2B协议 v1":                 "b2b 协 议 协议 v1",
		"カタカナ":                     "カ タ カタ タカ ナ カナ",
		"서버 점검":                    "서 버 서버 점 검 점검",
		"ภาษา":                     "ภ า ภา ษ าษ ษา",
		"report-2026.pdf":          "report 2026 pdf",
		"a\x00b\u200dc":            "a bc",
		"नमस्ते":                   "नमस्ते",
		"😀 ok":                     "ok",
	} {
		got := Tokens(text)
		if !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("tokens of %q: %q, want %s", text, got, want)
		}
	}
}

func TestTokensAreBounded(t *testing.T) {
	t.Parallel()
	if got := Tokens(strings.Repeat("x", 1<<20)); len(got) != 1 || len(got[0]) != maxWord {
		t.Errorf("a word of a mebibyte has %d tokens, the first of %d bytes", len(got), len(got[0]))
	}
	var b strings.Builder
	for i := range 40_000 {
		b.WriteRune(rune(0x4e00 + i*7919%20000))
	}
	if got := Tokens(b.String(), b.String()[60_000:]); len(got) != MaxTokens {
		t.Errorf("a long text has %d tokens, want %d", len(got), MaxTokens)
	}
}

// TestMatch has the rules of what a query finds.
func TestMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		query, text string
		want        string // the text with its places in brackets; empty: no match
	}{
		{"deploy", "Deploy the server", "[Deploy] the server"},
		{"server deploy", "Deploy the server", "[Deploy] the [server]"},
		{"deploy client", "Deploy the server", ""},
		{"deploy", "deployed", ""},
		{`"the server"`, "deploy the server", "deploy [the server]"},
		{`"server the"`, "deploy the server", ""},
		{`"the server`, "deploy the server", "deploy [the server]"}, // an open quote
		{"ubersetzung", "Die Übersetzung", "Die [Übersetzung]"},
		{"STRASSE", "die Straße", "die [Straße]"},
		{"数据", "一个数据库", "一个[数据]库"},
		{"据", "一个数据库", "一个数[据]库"},
		{"数库", "一个数据库", ""},
		{"数据 支付", "支付服务的数据库", "[支付]服务的[数据]库"},
		{"数据", "数 据", ""},
		{"ｆｏｏ", "foo", "[foo]"},
		{"http", "parseHTTPRequest", "parse[HTTP]Request"},
		{"HTTPRequest", "parseHTTPRequest", "parse[HTTPRequest]"},
		{"parsehttprequest", "the parseHTTPRequest()", "the [parseHTTPRequest]()"},
		{"parseHTTPRequest", "PARSEHTTPREQUEST", "[PARSEHTTPREQUEST]"},
		{"parse_http_request", "parse_http_request", "[parse_http_request]"},
		{"user_id", "the userID", "the [userID]"},
		{"report-2026.pdf", "see report 2026 (pdf)", "see [report 2026 (pdf])"},
		{"' OR 1=1 --", "one or 1=1 two", "one [or] [1=1] two"},
		{"a AND b", "a and b", "[a] [and] [b]"},
		{"a AND b", "a b", ""},
		{"foo*", "foobar", ""},
		{"^foo.*$", "foo bar", "[foo] bar"},
		{`"" "" x`, "x", "[x]"},
		{"x　y", "y, x", "[y], [x]"},
	} {
		q, err := ParseQuery(c.query)
		if err != nil {
			t.Errorf("%q: %v", c.query, err)
			continue
		}
		got := ""
		if m := q.Match([]Field{{Text: c.text, Weight: 1}}); m != nil {
			at := 0
			for _, s := range m.Spans[0] {
				got += c.text[at:s.Start] + "[" + c.text[s.Start:s.End] + "]"
				at = s.End
			}
			got += c.text[at:]
		}
		if got != c.want {
			t.Errorf("%q in %q: %q, want %q", c.query, c.text, got, c.want)
		}
	}
}

func TestParseQuery(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]error{
		"": ErrNothing, " ": ErrNothing, `"`: ErrNothing, ".*": ErrNothing, "😀": ErrNothing, "a": nil,
		strings.Repeat("a ", MaxTerms): nil, strings.Repeat("a ", MaxTerms+1): ErrMany,
	} {
		if _, err := ParseQuery(text); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
}

// TestScore: a heavier field, more places and the order of the query count.
func TestScore(t *testing.T) {
	t.Parallel()
	q, err := ParseQuery("payment service")
	if err != nil {
		t.Fatal(err)
	}
	last := 0
	for _, fields := range [][]Field{
		{{Text: "service of payment", Weight: 1}},
		{{Text: "service of payment, a service", Weight: 1}},
		{{Text: "the payment service", Weight: 1}},
		{{Text: "the payment service", Weight: 4}},
	} {
		m := q.Match(fields)
		if m == nil || m.Score <= last {
			t.Fatalf("%v: %v, want a score above %d", fields, m, last)
		}
		last = m.Score
	}
}

func TestSnippet(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("word ", 100) + "needle\n\n  in\tthe hay " + strings.Repeat("数据库", 100)
	for _, c := range []struct{ text, query, want string }{
		{"a needle", "needle", "a [needle]"},
		{"nothing here", "needle", "nothing here"},
		{long, "needle", "… " + strings.Repeat("word ", 11) + "[needle] in the hay " + strings.Repeat("数据库", 18) + "…"},
	} {
		q, err := ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		var spans []Span
		if m := q.Match([]Field{{Text: c.text}}); m != nil {
			spans = m.Spans[0]
		}
		got := ""
		for _, f := range Snippet(c.text, spans) {
			if f.Hit {
				f.Text = "[" + f.Text + "]"
			}
			got += f.Text
		}
		if got != c.want {
			t.Errorf("%q: %q, want %q", c.query, got, c.want)
		}
	}
}

// FuzzMatch: what matches has the tokens of the query, and its places are characters of the text.
func FuzzMatch(f *testing.F) {
	for _, seed := range [][2]string{
		{"parseHTTPRequest_v2 数据库 über", "HTTPRequest 数据"}, {`"a b" c`, `b "c`}, {"e\u0301\u0301x", "éx"}, {"\xff数\xfe据", "数据"},
		{"ﬃ ß ǅ", "ffi SS dž"}, {"각 각", "각"}, {"ｶﾞ", "ガ"},
	} {
		f.Add(seed[0], seed[1])
		f.Add(seed[1], seed[0])
	}
	f.Fuzz(func(t *testing.T, text, query string) {
		q, err := ParseQuery(query)
		if err != nil {
			return
		}
		m := q.Match([]Field{{Text: text, Weight: 1}})
		if m == nil {
			return
		}
		tokens := Tokens(text)
		if len(tokens) < MaxTokens {
			for _, clause := range q.Clauses() {
				if !slices.ContainsFunc(clause, func(all []string) bool {
					return !slices.ContainsFunc(all, func(token string) bool { return !slices.Contains(tokens, token) })
				}) {
					t.Errorf("%q matches %q, but the index would not find it: %q in %q", text, query, clause, tokens)
				}
			}
		}
		end := 0
		for _, s := range m.Spans[0] {
			if s.Start < end || s.End <= s.Start || s.End > len(text) {
				t.Fatalf("places of %q in %q: %v", query, text, m.Spans[0])
			}
			end = s.End
		}
		for _, piece := range Snippet(text, m.Spans[0]) {
			if piece.Text == "" || utf8.ValidString(text) && !utf8.ValidString(piece.Text) {
				t.Errorf("snippet of %q: %q", text, piece.Text)
			}
		}
	})
}

// FuzzSplit: a text has the same tokens whether it is split as words of ASCII and others, or as a whole.
func FuzzSplit(f *testing.F) {
	for _, seed := range []string{
		"parseHTTPRequest_v2 数据库 über", "__init__ _ a_b __a", "e\u0301\u0301x =\u0338x", "\xff数\xfe据", "ABc1D2 HTTPs v1Beta", "x \u0301y `\u0300",
		"a\u200bb c\u200d d \u3099か", strings.Repeat("aB", 50) + "_" + strings.Repeat("c", 90), "ｶﾞ, ｶ. ﾞ", "1.5kΩ a.b/c-d", "/api/files/ü",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var want, got []string
		add := func(to *[]string) func([]byte) bool {
			return func(token []byte) bool {
				*to = append(*to, string(token))
				return true
			}
		}
		var s Splitter
		s.others(cut(text), add(&want))
		s.Split(text, add(&got))
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(want, got) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	})
}

// TestWholeTextFindsItself: a text is found by its own words.
func TestWholeTextFindsItself(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"func (s *Server) listenAdmin(ctx context.Context)", "支付服务的数据库", "Größe: 10kΩ", "SELECT * FROM a_b WHERE x = 'y'"} {
		q, err := ParseQuery(text)
		if err != nil {
			t.Fatal(err)
		}
		if q.Match([]Field{{Text: text, Weight: 1}}) == nil {
			t.Errorf("%q does not find itself", text)
		}
	}
}

func BenchmarkTokens(b *testing.B) {
	for name, text := range map[string]string{
		"english": strings.Repeat("The deployment of the payment service failed after 3 retries. ", 7)[:400],
		"chinese": strings.Repeat("支付服务的部署在三次重试之后失败了。", 10)[:400],
		"code":    strings.Repeat("func (s *Server) listenAdmin(ctx context.Context) error { return nil }\n", 6)[:400],
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			var s Splitter
			for b.Loop() {
				if !s.Split(text, func([]byte) bool { return true }) {
					b.Fatal("stopped")
				}
			}
		})
	}
}
