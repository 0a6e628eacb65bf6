package searchindex

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

func listOf(docs ...int) (l List) {
	for _, d := range docs {
		l = append(l, uint16(d))
	}
	return l
}

func every(step int) (l List) {
	for d := 0; d < MaxRange; d += step {
		l = append(l, uint16(d))
	}
	return l
}

func TestEncode(t *testing.T) {
	t.Parallel()
	for _, l := range []List{{}, listOf(0), listOf(65535), listOf(0, 1, 2, 65534, 65535), every(1), every(2), every(7), every(8), every(9), every(1000)} {
		b := l.Encode()
		got, err := Decode(b)
		if err != nil || !slices.Equal(got, l) {
			t.Errorf("a list of %d, encoded in %d bytes, has %d after decoding, %v", len(l), len(b), len(got), err)
		}
		if len(b) > bitmapSize {
			t.Errorf("a list of %d is encoded in %d bytes", len(l), len(b))
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, l := range []List{{}, listOf(0, 5, 65535), every(2)} {
		f.Add(l.Encode())
	}
	f.Add([]byte{0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Add([]byte{2})
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := Decode(b)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Error(err)
			}
			return
		}
		for i := 1; i < len(l); i++ {
			if l[i] <= l[i-1] {
				t.Fatalf("%x: not ascending", b)
			}
		}
		if again, err := Decode(l.Encode()); err != nil || !slices.Equal(again, l) {
			t.Errorf("%x: %v", b, err)
		}
	})
}

// segment is a segment of a history.
type segment struct {
	first  int
	size   int
	dead   int
	pages  []Page
	blocks map[string][]byte // what the pages have
}

// read returns what pages have, by token.
func read(t *testing.T, all []Page) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	last := ""
	for _, p := range all {
		if p.First <= last {
			t.Errorf("a page begins with %q after %q", p.First, last)
		}
		e := p.entries()
		for {
			ok, err := e.next()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			if token := string(e.token); token <= last {
				t.Errorf("%q comes after %q", token, last)
			}
			last = string(e.token)
			out[last] = e.list
		}
	}
	return out
}

// merge merges segments, a few bytes and a page at a time.
func merge(t *testing.T, m *Merger, from []segment, size int) (out []Page) {
	t.Helper()
	given := make([]int, len(from))
	for {
		some, end, err := m.Merge(size, func(i int) ([]Page, error) {
			rest := from[i].pages[given[i]:]
			rest = rest[:min(1, len(rest))]
			given[i] += len(rest)
			return rest, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if out = append(out, some...); end {
			return out
		}
	}
}

// TestMerge: segments of many tokens have in common what they had, and Page.Lists finds it.
func TestMerge(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 3))
		want := map[string]List{}
		var from []segment
		m := Merger{}
		docs := 0
		b := NewBuilder()
		for range 1 + r.IntN(8) {
			b.Reset()
			m.Bases = append(m.Bases, docs)
			for range 1 + r.IntN(300) {
				b.Next()
				b.Add("all")
				want["all"] = append(want["all"], uint16(docs))
				for range r.IntN(60) {
					word := fmt.Sprint(r.IntN(5000))
					if l := want["w"+word]; len(l) == 0 || l[len(l)-1] != uint16(docs) {
						want["w"+word] = append(l, uint16(docs))
					}
					b.AddWord([]byte(word))
				}
				docs++
			}
			from = append(from, segment{pages: b.Pages()})
		}
		pages := merge(t, &m, from, 1+r.IntN(20_000))
		got := read(t, pages)
		if len(got) != len(want) {
			t.Errorf("seed %d: %d tokens, want %d", seed, len(got), len(want))
		}
		tokens := slices.Sorted(maps.Keys(want))
		for token, l := range want {
			if d, err := Decode(got[token]); err != nil || !slices.Equal(d, l) {
				t.Errorf("seed %d: %q has %d documents, want %d, %v", seed, token, len(d), len(l), err)
			}
		}
		found := 0
		tokens = append(tokens, "zz")
		for _, p := range pages {
			if err := p.Lists(append([]string{"a"}, tokens...), func(token string, list []byte) {
				found++
				if !bytes.Equal(list, got[token]) {
					t.Errorf("seed %d: another list of %q is found", seed, token)
				}
			}); err != nil {
				t.Fatal(err)
			}
			if len(p.Data) > pageBytes+bitmapSize+100 {
				t.Errorf("a page of %d bytes", len(p.Data))
			}
		}
		if found != len(want) {
			t.Errorf("seed %d: found %d of %d tokens", seed, found, len(want))
		}
	}
}

// FuzzPage: bytes that are no page are refused.
func FuzzPage(f *testing.F) {
	b := NewBuilder()
	for range 3 {
		b.Next()
		b.Add("all")
		b.AddWord([]byte("alone"))
		b.AddWord([]byte("along"))
	}
	p := b.Pages()[0]
	f.Add(p.First, p.Data)
	f.Add("a", []byte{9, 9, 9})
	f.Add("", []byte{0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, first string, data []byte) {
		p := Page{first, data}
		if err := p.Lists([]string{first, first + "a"}, func(string, []byte) {}); err != nil && !errors.Is(err, ErrMalformed) {
			t.Error(err)
		}
		m := Merger{Bases: []int{0, 9}}
		given := 0
		for {
			_, end, err := m.Merge(100, func(int) ([]Page, error) {
				if given++; given > 2 {
					return nil, nil
				}
				return []Page{p}, nil
			})
			if err != nil && !errors.Is(err, ErrMalformed) {
				t.Error(err)
			}
			if end || err != nil {
				return
			}
		}
	})
}

// TestHistories indexes random documents, merges segments as Plan says, removes documents, and
// compares what is found with a scan of all documents.
func TestHistories(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		var docs [][]string // nil: removed
		var segments []segment
		merged := 0
		for range 150 {
			b := NewBuilder()
			first := len(docs)
			for range 1 + r.IntN(1+r.IntN(30)) {
				tokens := []string{"all"}
				for _, p := range []int{2, 3, 10, 100} {
					if r.IntN(p) == 0 {
						tokens = append(tokens, fmt.Sprint("one in ", p))
					}
				}
				docs = append(docs, tokens)
				b.Next()
				for i, token := range tokens {
					if n := b.Add(token); n != i+1 {
						t.Fatalf("%d tokens, want %d", n, i+1)
					}
				}
				b.Add("all") // again
			}
			s := segment{first: first, size: b.Docs(), pages: b.Pages()}
			s.blocks = read(t, s.pages)
			segments = append(segments, s)
			for range r.IntN(8) {
				doc := r.IntN(len(docs))
				if docs[doc] == nil {
					continue
				}
				docs[doc] = nil
				i := slices.IndexFunc(segments, func(s segment) bool { return doc < s.first+s.size })
				segments[i].dead++
			}
			for {
				var parts []Part
				for _, s := range segments {
					parts = append(parts, Part{int64(s.size), int64(s.dead)})
				}
				from, to, ok := Plan(parts)
				if !ok {
					break
				}
				merged++
				m := segment{first: segments[from].first}
				keep := func(doc int) bool { return docs[m.first+doc] != nil }
				if r.IntN(2) == 0 {
					keep = nil
				}
				merger := Merger{Keep: keep}
				for _, s := range segments[from:to] {
					m.size += s.size
					merger.Bases = append(merger.Bases, s.first-m.first)
				}
				m.pages = merge(t, &merger, segments[from:to], 1+r.IntN(2000))
				m.blocks = read(t, m.pages)
				segments = slices.Replace(segments, from, to, m)
			}
		}
		if len(segments) > 5*many || merged == 0 {
			t.Errorf("seed %d: %d segments after %d merges", seed, len(segments), merged)
		}
		for _, clauses := range [][]Clause{
			{{{"all"}}}, {{{"one in 3"}}}, {{{"one in 2", "one in 3"}}}, {{{"one in 2"}}, {{"one in 10"}, {"one in 100"}}}, {{{"none"}}}, {{{"all", "none"}, {"one in 10"}}},
		} {
			var got, want []int
			for i, s := range segments {
				l, err := Find(clauses, func(token string) (List, error) {
					if s.blocks[token] == nil {
						return nil, nil
					}
					return Decode(s.blocks[token])
				})
				if err != nil {
					t.Fatal(err)
				}
				if i > 0 && s.first != segments[i-1].first+segments[i-1].size {
					t.Fatalf("seed %d: segments leave out documents", seed)
				}
				for _, doc := range l {
					if docs[s.first+int(doc)] != nil {
						got = append(got, s.first+int(doc))
					}
				}
			}
			for i, tokens := range docs {
				has := func(token string) bool { return slices.Contains(tokens, token) }
				if tokens != nil && !slices.ContainsFunc(clauses, func(c Clause) bool {
					return !slices.ContainsFunc(c, func(all []string) bool {
						return !slices.ContainsFunc(all, func(token string) bool { return !has(token) })
					})
				}) {
					want = append(want, i)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("seed %d: %v finds %d documents, want %d", seed, clauses, len(got), len(want))
			}
		}
	}
}

// TestPlanTerminates: after many additions of any size, few segments are left, and none is too large.
func TestPlanTerminates(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{1, 7, 8, 500, 1000, 4095, 4096, 8191, 32767, 32768, MaxRange} {
		var parts []Part
		written := int64(0)
		docs := int64(0)
		for docs < 1_000_000 {
			parts = append(parts, Part{Range: size})
			docs += size
			for {
				from, to, ok := Plan(parts)
				if !ok {
					break
				}
				var sum int64
				for _, p := range parts[from:to] {
					sum += p.Range
				}
				if to-from < 2 || sum > MaxRange {
					t.Fatalf("segments of %d: merges %d of %d documents", size, to-from, sum)
				}
				written += sum
				parts = slices.Replace(parts, from, to, Part{Range: sum})
			}
			if len(parts) > 7*5+int(docs/(MaxRange/4))+1 {
				t.Fatalf("segments of %d: %d segments of %d documents", size, len(parts), docs)
			}
		}
		if written > 6*docs {
			t.Errorf("segments of %d: each document is written %d times again", size, written/docs)
		}
	}
}

func TestDays(t *testing.T) {
	t.Parallel()
	for at, want := range map[int64]string{0: "d0", 86_399_999: "d0", 86_400_000: "d1", -1: "d-1", -86_400_000: "d-1", -86_400_001: "d-2"} {
		if got := Day(at); got != want {
			t.Errorf("the day of %d is %s, want %s", at, got, want)
		}
	}
}
