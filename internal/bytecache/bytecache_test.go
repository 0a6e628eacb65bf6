package bytecache_test

import (
	"slices"
	"testing"

	"github.com/b2b-protocol/b2b/internal/bytecache"
)

func TestCache(t *testing.T) {
	t.Parallel()
	var removed []string
	c := bytecache.New(100, func(key string, _ int) { removed = append(removed, key) })
	has := func(want ...string) {
		t.Helper()
		got := []string{}
		for _, key := range []string{"a", "b", "c", "d"} {
			if _, ok := c.Peek(key); ok {
				got = append(got, key)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("has %v, want %v", got, want)
		}
	}
	c.Put("a", 1, 40)
	c.Put("b", 2, 40)
	c.Get("a")
	c.Put("c", 3, 40)
	has("a", "c") // b was used least recently
	if !slices.Equal(removed, []string{"b"}) || c.Bytes() != 80 {
		t.Fatalf("removed %v, %d bytes remain", removed, c.Bytes())
	}
	c.Peek("a")
	c.Put("d", 4, 30)
	has("c", "d") // a look is no use
	c.Put("c", 5, 10)
	if v, ok := c.Get("c"); v != 5 || !ok || c.Bytes() != 40 {
		t.Fatalf("%d, %v, %d bytes", v, ok, c.Bytes())
	}
	if v := c.GetOrAdd("c", 10, func() int { panic("it is there") }); v != 5 {
		t.Fatal(v)
	}
	if v := c.GetOrAdd("a", 10, func() int { return 6 }); v != 6 {
		t.Fatal(v)
	}
	c.Resize("a", func(v int) bool { return v == 7 }, 90)
	has("a", "c", "d") // another value
	c.Resize("a", func(v int) bool { return v == 6 }, 90)
	has("a", "c")
	c.Put("b", 8, 101)
	has() // larger than the cache
	c.Put("a", 1, 1)
	c.Remove("a")
	if has(); c.Bytes() != 0 || len(c.Values()) != 0 {
		t.Fatalf("%d bytes of nothing", c.Bytes())
	}
}
