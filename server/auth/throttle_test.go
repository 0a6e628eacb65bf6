package auth

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/b2b-protocol/b2b/server/store/storetest/redistest"
)

func client(t *testing.T, url string) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	options.MaxRetries, options.DialerRetries = -1, 1
	c := redis.NewClient(options)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// throttles are two nodes, and how time goes by.
func throttles(t *testing.T, c *redis.Client) (one, two *Throttle, pass func(time.Duration)) {
	now := time.UnixMilli(start)
	clock := func() time.Time { return now }
	log := slog.New(slog.DiscardHandler)
	pass = func(d time.Duration) {
		now = now.Add(d)
		if c == nil {
			return
		}
		for _, key := range c.Keys(t.Context(), throttleKey+"*").Val() {
			if left := c.PTTL(t.Context(), key).Val(); left > 0 {
				c.PExpire(t.Context(), key, left-d)
			}
		}
	}
	return &Throttle{Redis: c, Log: log, Now: clock}, &Throttle{Redis: c, Log: log, Now: clock}, pass
}

func TestThrottle(t *testing.T) {
	for name, c := range map[string]*redis.Client{"memory": nil, "redis": client(t, redistest.Start(t).URL)} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			one, two, pass := throttles(t, c)
			if c == nil {
				two = one
			}
			wait := func(at *Throttle, a []Attempt, want time.Duration) {
				t.Helper()
				if got := at.Wait(ctx, a); got > want || got < want-time.Second {
					t.Errorf("has to wait %v, want %v", got, want)
				}
			}
			here, other := Attempts("192.0.2.1", "org_admin", "a"), Attempts("192.0.2.1", "org_admin", "b")
			for i := range 5 {
				wait(one, here, 0)
				[]*Throttle{one, two}[i%2].Failed(ctx, here)
			}
			for _, at := range []*Throttle{one, two} {
				wait(at, here, 15*time.Minute)
				wait(at, other, 0)
				wait(at, Attempts("192.0.2.2", "org_admin", "a"), 0)
				wait(at, Attempts("192.0.2.1", "bot", "a"), 0)
			}
			pass(10 * time.Minute)
			wait(one, here, 5*time.Minute)
			pass(6 * time.Minute)
			wait(one, here, 0)
			for range 4 { // the count began anew
				one.Failed(ctx, here)
				wait(two, here, 0)
			}
			one.Passed(ctx, here)
			for range 4 {
				one.Failed(ctx, here)
				wait(one, here, 0)
			}
			one.Failed(ctx, here)
			wait(one, here, 15*time.Minute)

			operator := Attempts("2001:db8::1", "super_admin", "")
			for range 3 {
				wait(one, operator, 0)
				one.Failed(ctx, operator)
			}
			wait(one, operator, 30*time.Minute)
			wait(one, Attempts("2001:db8::ffff:2", "super_admin", ""), 30*time.Minute)
			wait(one, Attempts("2001:db8:0:1::1", "super_admin", ""), 0)

			for i := range 20 {
				a := Attempts("192.0.2.3", "bot", fmt.Sprint(i))
				wait(one, a, 0)
				one.Failed(ctx, a)
				one.Passed(ctx, a)
			}
			wait(two, Attempts("192.0.2.3", "bot", "new"), 15*time.Minute)
		})
	}
}

// TestThrottleWithoutRedis: while Redis is away each node counts alone, from what it
// has counted itself.
func TestThrottleWithoutRedis(t *testing.T) {
	server := redistest.Start(t)
	c := client(t, server.URL)
	one, two, _ := throttles(t, c)
	a := Attempts("192.0.2.1", "bot", "t")
	for range 5 {
		one.Failed(t.Context(), a)
	}
	server.Stop()
	if one.Wait(t.Context(), a) == 0 || two.Wait(t.Context(), a) != 0 {
		t.Error("a node forgot what it counted, or knows what it did not")
	}
	for range 5 {
		two.Failed(t.Context(), a)
	}
	if two.Wait(t.Context(), a) == 0 {
		t.Error("a node does not count without Redis")
	}
}

func TestThrottleIsBounded(t *testing.T) {
	th, _, _ := throttles(t, nil)
	victim := Attempts("192.0.2.1", "bot", "t")
	for i := range 200_000 {
		th.Failed(t.Context(), Attempts(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), "bot", "t")[:1])
		if i == 199_000 {
			for range 5 {
				th.Failed(t.Context(), victim)
			}
		}
	}
	if n := len(th.counts); n != throttled || th.byAge.Len() != n {
		t.Errorf("%d counts are kept, want %d", n, throttled)
	}
	if th.Wait(t.Context(), victim) == 0 {
		t.Error("a lock was forgotten early")
	}
}

func TestMistyped(t *testing.T) {
	for _, token := range []string{NewBotToken(), NewScopedToken()} {
		if Mistyped(token) {
			t.Errorf("%q is taken for a typo", token)
		}
		for i := 8; i < len(token); i++ {
			typo := []byte(token)
			typo[i] ^= 3
			if !Mistyped(string(typo)) || !Mistyped(token[:i]) {
				t.Errorf("a typo at %d of %q does not show", i, token)
			}
		}
	}
	for _, other := range []string{"", "x", "bot", NewOrgSecret(), "Bearer x"} {
		if Mistyped(other) {
			t.Errorf("%q is taken for a token", other)
		}
	}
}
