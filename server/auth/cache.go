package auth

import (
	"crypto/sha256"
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// generations counts what was forgotten, so that nothing read before is believed
// after.
//
// A clock ticks at every forget, and each slot holds the tick at which one of its
// orgs was last forgotten. A reader notes the clock before it asks the store; what
// it finds is good for as long as the slot of the org it turns out to belong to
// shows no later tick. That holds without knowing the org beforehand, and in a
// fixed space: orgs that share a slot are forgotten together.
type generations struct {
	seed  maphash.Seed
	clock atomic.Uint64
	slots [1024]atomic.Uint64
}

// begin notes the clock before a read.
func (g *generations) begin() uint64 { return g.clock.Load() }

// forget ends the validity of all that was read of the org so far. The change that
// makes it necessary must be visible to readers already.
func (g *generations) forget(org string) {
	tick := g.clock.Add(1)
	slot := g.slot(org)
	for {
		last := slot.Load()
		if last >= tick || slot.CompareAndSwap(last, tick) {
			return
		}
	}
}

func (g *generations) slot(org string) *atomic.Uint64 {
	return &g.slots[maphash.String(g.seed, org)%uint64(len(g.slots))]
}

// key is the SHA-256 of a credential: the cache holds no secrets.
type key [sha256.Size]byte

// keyOf hashes without allocating for credentials of the usual lengths.
func keyOf(secret string) key {
	var buf [64]byte
	if len(secret) > len(buf) {
		return sha256.Sum256([]byte(secret))
	}
	return sha256.Sum256(buf[:copy(buf[:], secret)])
}

const (
	shardCount = 16
	shardSize  = 2048 // entries; full shards drop some at random
)

// cache remembers what credentials lead to. It is bounded, and safe for concurrent
// use.
type cache[V any] struct {
	gens   *generations
	shards [shardCount]shard[V]
}

type shard[V any] struct {
	mu    sync.RWMutex
	items map[key]item[V]
}

type item[V any] struct {
	slot  *atomic.Uint64
	stamp uint64 // the clock before the value was read
	value V
}

func newCache[V any](gens *generations) *cache[V] { return &cache[V]{gens: gens} }

func (c *cache[V]) shard(k key) *shard[V] { return &c.shards[k[0]%shardCount] }

// get answers what is remembered and still good.
func (c *cache[V]) get(k key) (item[V], bool) {
	s := c.shard(k)
	s.mu.RLock()
	it, ok := s.items[k]
	s.mu.RUnlock()
	if !ok || it.slot.Load() > it.stamp {
		return item[V]{}, false
	}
	return it, true
}

// put remembers a value of the org that was read after begin answered stamp. If
// the org was forgotten since, it does nothing.
func (c *cache[V]) put(k key, org string, stamp uint64, value V) {
	c.store(k, item[V]{slot: c.gens.slot(org), stamp: stamp, value: value})
}

// store puts an item, also one that get answered with its value replaced.
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

// evict makes room: what is out of date goes, and else a sixteenth of the shard, as
// the map happens to order it.
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
