// Package bytecache is a cache that is bounded in bytes: what was used least recently is removed
// when there is no room. The caller states the size of each value.
package bytecache

import (
	"math"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Cache maps keys to values. It is safe for concurrent use.
type Cache[K comparable, V any] struct {
	mu    sync.Mutex
	lru   *simplelru.LRU[K, sized[V]]
	most  int64
	bytes int64
}

type sized[V any] struct {
	value V
	bytes int64
}

// New returns a cache for values of most bytes in all. removed, which may be nil, is called for each
// value that leaves the cache, also for a replaced one; it must not use the cache.
func New[K comparable, V any](most int64, removed func(K, V)) *Cache[K, V] {
	c := &Cache[K, V]{most: most}
	lru, err := simplelru.NewLRU(math.MaxInt, func(k K, v sized[V]) {
		c.bytes -= v.bytes
		if removed != nil {
			removed(k, v.value)
		}
	})
	if err != nil {
		panic("bytecache: " + err.Error()) // only of a size that is not positive
	}
	c.lru = lru
	return c
}

// Get returns the value of a key.
func (c *Cache[K, V]) Get(key K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.lru.Get(key)
	return v.value, ok
}

// Peek returns the value of a key, which does not count as a use.
func (c *Cache[K, V]) Peek(key K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.lru.Peek(key)
	return v.value, ok
}

// GetOrAdd returns the value of a key. If there is none, it adds the one that is made, with a size.
func (c *Cache[K, V]) GetOrAdd(key K, bytes int64, made func() V) V {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v, ok := c.lru.Get(key); ok {
		return v.value
	}
	v := made()
	c.put(key, v, bytes)
	return v
}

// Put sets the value of a key, and its size. A value that is larger than the cache is not kept.
func (c *Cache[K, V]) Put(key K, value V, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lru.Remove(key)
	c.put(key, value, bytes)
}

func (c *Cache[K, V]) put(key K, value V, bytes int64) {
	c.lru.Add(key, sized[V]{value, bytes})
	for c.bytes += bytes; c.bytes > c.most; {
		c.lru.RemoveOldest()
	}
}

// Resize sets the size of the value of a key, if it is this one.
func (c *Cache[K, V]) Resize(key K, is func(V) bool, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.lru.Peek(key)
	if !ok || !is(v.value) {
		return
	}
	c.bytes += bytes - v.bytes
	c.lru.Add(key, sized[V]{v.value, bytes}) // of a key that is there: nothing is removed
	for c.bytes > c.most {
		c.lru.RemoveOldest()
	}
}

// Remove removes a key.
func (c *Cache[K, V]) Remove(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lru.Remove(key)
}

// Values returns all values.
func (c *Cache[K, V]) Values() []V {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]V, 0, c.lru.Len())
	for _, v := range c.lru.Values() {
		all = append(all, v.value)
	}
	return all
}

// Bytes returns the sum of the sizes.
func (c *Cache[K, V]) Bytes() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}
