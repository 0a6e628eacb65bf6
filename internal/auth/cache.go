package auth

import (
	"crypto/sha256"
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// generations invalidates cache entries by org, in fixed space and without locks.
//
// A counter is incremented by every invalidation. Each org hashes to one of a fixed number of
// slots, which holds the counter at the last invalidation of any of its orgs. A reader takes
// the counter before it reads the store, when it does not know the org yet. What it reads is
// valid while the slot of its org holds no later value. Orgs that share a slot are invalidated
// together, which costs a read and nothing else.
type generations struct {
	seed  maphash.Seed
	count atomic.Uint64
	slots [1024]atomic.Uint64
}

// begin returns the stamp of a read that starts now.
func (g *generations) begin() uint64 { return g.count.Load() }

// forget invalidates everything that was read of the org so far. The caller must have made
// its change visible to readers before.
func (g *generations) forget(org string) {
	now := g.count.Add(1)
	slot := g.slot(org)
	for {
		last := slot.Load()
		if last >= now || slot.CompareAndSwap(last, now) {
			return
		}
	}
}

func (g *generations) slot(org string) *atomic.Uint64 {
	return &g.slots[maphash.String(g.seed, org)%uint64(len(g.slots))]
}

// key is the SHA-256 of a credential, so that the cache holds no secrets.
type key [sha256.Size]byte

// keyOf returns the key of a credential. It does not allocate for credentials of the usual
// lengths.
func keyOf(secret string) key {
	var buf [64]byte
	if len(secret) > len(buf) {
		return sha256.Sum256([]byte(secret))
	}
	return sha256.Sum256(buf[:copy(buf[:], secret)])
}

const (
	shardCount = 16
	shardSize  = 2048 // entries of a shard; a full shard drops some at random
)

// cache maps credentials to what they resolve to. It is bounded and safe for concurrent use.
type cache[V any] struct {
	gens   *generations
	misses atomic.Int64
	shards [shardCount]shard[V]
}

type shard[V any] struct {
	mu    sync.RWMutex
	items map[key]item[V]
	hits  atomic.Int64
}

type item[V any] struct {
	slot  *atomic.Uint64
	stamp uint64 // from generations.begin before the value was read
	value V
}

func newCache[V any](gens *generations) *cache[V] { return &cache[V]{gens: gens} }

func (c *cache[V]) shard(k key) *shard[V] { return &c.shards[k[0]%shardCount] }

// get returns the entry of a key if it is still valid.
func (c *cache[V]) get(k key) (item[V], bool) {
	s := c.shard(k)
	s.mu.RLock()
	it, ok := s.items[k]
	s.mu.RUnlock()
	if !ok || it.slot.Load() > it.stamp {
		c.misses.Add(1)
		return item[V]{}, false
	}
	s.hits.Add(1)
	return it, true
}

// stats returns the numbers of look-ups.
func (c *cache[V]) stats() (out CacheStats) {
	for i := range c.shards {
		out.Hits += c.shards[i].hits.Load()
	}
	out.Misses = c.misses.Load()
	return out
}

// CacheStats are the numbers of look-ups in a cache, for monitoring.
type CacheStats struct{ Hits, Misses int64 }

// Caches returns the numbers of the caches of tokens and of sessions.
func (a *Authenticator) Caches() (tokens, sessions CacheStats) {
	return a.tokens.stats(), a.sessions.stats()
}

// put adds a value of the org that was read after begin returned stamp. It does nothing if the
// org was invalidated since.
func (c *cache[V]) put(k key, org string, stamp uint64, value V) {
	c.store(k, item[V]{slot: c.gens.slot(org), stamp: stamp, value: value})
}

// store adds an item: a new one, or one from get with another value and the old stamp.
func (c *cache[V]) store(k key, it item[V]) {
	if it.slot.Load() > it.stamp {
		return
	}
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.items == nil {
		s.items = make(map[key]item[V])
	}
	if _, there := s.items[k]; !there && len(s.items) >= shardSize {
		s.evict()
	}
	s.items[k] = it
}

// evict removes the invalid entries, and if these are few also others in the map's random
// order, until a sixteenth of the shard is free.
func (s *shard[V]) evict() {
	for k, it := range s.items {
		if it.slot.Load() > it.stamp {
			delete(s.items, k)
		}
	}
	for k := range s.items {
		if len(s.items) <= shardSize-shardSize/16 {
			return
		}
		delete(s.items, k)
	}
}
