package intake_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/intake"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// payer has a share of a fixed name.
type payer struct {
	name      string
	anonymous bool
}

func (p payer) Payer() (share string, anonymous bool) { return p.name, p.anonymous }

var (
	orgA = payer{"org a", false}
	orgB = payer{"org b", false}
	home = payer{"address home", true}
	away = payer{"address away", true}
)

// sizes allow 100 KiB per share, 50 KiB per address and 250 KiB in total.
var sizes = intake.Sizes{Small: 32 << 10, Whole: 250 << 10, Share: 100 << 10, Address: 50 << 10, Patience: 10 * time.Millisecond}

func take(t *testing.T, b *intake.Budget, p intake.Payer, n int64) (h intake.Reservation, code b2bv1.ErrorCode) {
	t.Helper()
	h = b.Begin(p)
	err := h.Take(t.Context(), n)
	if err == nil {
		return h, 0
	}
	var e *call.Error
	if !errors.As(err, &e) || e.RetryAfter < 1 || e.Hint == "" {
		t.Fatalf("refused with %v, want a code, retry_after and a hint", err)
	}
	return h, e.Code
}

const (
	limited = b2bv1.ErrorCode_ERROR_CODE_RATE_LIMITED
	away503 = b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE
)

// A full share blocks its org alone; a full total blocks all; the end of a request makes room
// (B2B-LIM-032).
func TestShares(t *testing.T) {
	t.Parallel()
	b := intake.New(sizes, nil)
	a1, code := take(t, b, orgA, 60<<10)
	if code != 0 {
		t.Fatalf("the first is refused: %v", code)
	}
	if _, code := take(t, b, orgA, 60<<10); code != limited {
		t.Errorf("more than the share: %v", code)
	}
	if _, code := take(t, b, orgA, 200<<10); code != limited {
		t.Errorf("more than a share may be: %v", code)
	}
	b1, code := take(t, b, orgB, 90<<10)
	if code != 0 {
		t.Errorf("another org: %v", code)
	}
	small, code := take(t, b, orgA, 16<<10)
	if code != 0 {
		t.Errorf("a small one: %v", code)
	}
	s1, code := take(t, b, home, 50<<10)
	if code != 0 {
		t.Errorf("unauthenticated: %v", code)
	}
	if _, code := take(t, b, home, 20<<10); code != limited {
		t.Errorf("unauthenticated of the same address: %v", code)
	}
	s2, code := take(t, b, away, 50<<10)
	if code != 0 {
		t.Errorf("unauthenticated of another address: %v", code)
	}
	if _, code := take(t, b, payer{"address third", true}, 20<<10); code != away503 {
		t.Errorf("more than the share of unauthenticated callers: %v", code)
	}
	if _, code := take(t, b, payer{"org c", false}, 20<<10); code != away503 {
		t.Errorf("more than the whole: %v", code)
	}
	for _, h := range []*intake.Reservation{&a1, &b1, &small, &s1, &s2} {
		h.End()
		h.End() // a second time has no effect
	}
	again, code := take(t, b, orgA, 100<<10)
	if code != 0 {
		t.Errorf("after all ended: %v", code)
	}
	again.End()
}

// Small requests beyond the counter count as large ones, and are still served.
func TestManySmall(t *testing.T) {
	t.Parallel()
	b := intake.New(sizes, nil)
	var held []intake.Reservation
	for range 8 { // 2 of them by the counter, 6 by the share
		h, code := take(t, b, orgA, 16<<10)
		if code != 0 {
			t.Fatalf("refused: %v", code)
		}
		held = append(held, h)
	}
	if _, code := take(t, b, orgA, 16<<10); code != limited {
		t.Errorf("beyond counter and share: %v", code)
	}
	for i := range held {
		held[i].End()
	}
}

// A waiting request gets the room that another returns in time.
func TestWaits(t *testing.T) {
	t.Parallel()
	b := intake.New(intake.Sizes{Share: 100 << 10, Patience: time.Minute}, nil)
	first, _ := take(t, b, orgA, 80<<10)
	got := make(chan error)
	go func() {
		h := b.Begin(orgA)
		defer h.End()
		got <- h.Take(t.Context(), 80<<10)
	}()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	gone := b.Begin(orgA)
	if err := gone.Take(ctx, 80<<10); err == nil {
		t.Error("a canceled request gets room")
	}
	gone.End()
	first.End()
	if err := <-got; err != nil {
		t.Error(err)
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 8 << 10, 8<<10 + 1, 16 << 10, 16<<10 + 1, 64 << 10, 64<<10 + 1, 90 << 10} {
		text := strings.Repeat("x", size)
		for name, from := range map[string]io.Reader{
			"plain": strings.NewReader(text), "end with the last bytes": iotest.DataErrReader(strings.NewReader(text)), "halves": iotest.HalfReader(strings.NewReader(text)),
		} {
			for _, known := range []int64{int64(size), -1} {
				if seeker, ok := from.(io.Seeker); ok {
					if _, err := seeker.Seek(0, io.SeekStart); err != nil {
						t.Fatal(err)
					}
				} else if known < 0 {
					continue
				}
				h := intake.New(intake.Sizes{}, nil).Begin(orgA)
				got, err := h.Read(t.Context(), []byte("head"), from, known, 90<<10)
				if err != nil || string(got) != "head"+text {
					t.Errorf("%d bytes, %s, known %d: %d bytes, %v", size, name, known, len(got), err)
				}
				h.End()
			}
		}
	}
	h := intake.New(intake.Sizes{}, nil).Begin(orgA)
	defer h.End()
	for _, x := range []struct {
		size, known, most int64
		want              error
	}{
		{100 << 10, 100 << 10, 90 << 10, intake.ErrTooLarge},
		{100 << 10, -1, 90 << 10, intake.ErrTooLarge},
		{100, 50, 90 << 10, intake.ErrTooLarge}, // more than it announced
		{20 << 10, 17 << 10, 90 << 10, intake.ErrTooLarge},
		{10, -1, 9, intake.ErrTooLarge},
		{10, -1, 10, nil},
	} {
		if _, err := h.Read(t.Context(), nil, strings.NewReader(strings.Repeat("x", int(x.size))), x.known, x.most); !errors.Is(err, x.want) {
			t.Errorf("%+v: %v", x, err)
		}
		h.End()
	}
	if _, err := h.Read(t.Context(), nil, iotest.TimeoutReader(strings.NewReader("ab")), 5, 9); err == nil {
		t.Error("a truncated body is taken as complete")
	}
}

// A body that is announced and not sent takes little room.
func TestReadTakesWhatComes(t *testing.T) {
	t.Parallel()
	b := intake.New(sizes, nil)
	slow, stop := io.Pipe()
	done := make(chan error)
	go func() {
		h := b.Begin(orgA)
		defer h.End()
		_, err := h.Read(t.Context(), nil, slow, 90<<10, 90<<10)
		done <- err
	}()
	if _, err := stop.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	whole, code := take(t, b, orgA, 100<<10)
	if code != 0 {
		t.Errorf("a body that is not sent occupies room: %v", code)
	}
	whole.End()
	if err := stop.CloseWithError(io.ErrUnexpectedEOF); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("read to its end: %v", err)
	}
}

// A decompression bomb is inflated to the limit and no further (B2B-LIM-033).
func TestInflate(t *testing.T) {
	t.Parallel()
	zip := func(n int) []byte {
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		if _, err := z.Write(make([]byte, n)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	h := intake.New(intake.Sizes{}, nil).Begin(orgA)
	defer h.End()
	const most = 64 << 10
	if got, err := h.Inflate(t.Context(), nil, zip(most), most); err != nil || len(got) != most {
		t.Errorf("at the limit: %d bytes, %v", len(got), err)
	}
	for name, packed := range map[string][]byte{"one more": zip(most + 1), "a bomb": bytes.Repeat(zip(1<<20), 1000)} {
		got, err := h.Inflate(t.Context(), nil, packed, most)
		if !errors.Is(err, intake.ErrTooLarge) || len(got) > most+1 {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	for name, packed := range map[string][]byte{"no gzip": []byte("hello there, world"), "cut off": zip(1000)[:15], "a broken sum": append(zip(1000)[:20], 1, 2, 3, 4, 5, 6, 7, 8)} {
		if _, err := h.Inflate(t.Context(), nil, packed, most); err == nil || errors.Is(err, intake.ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A small request costs no allocation.
func BenchmarkSmall(b *testing.B) {
	budget := intake.New(intake.Sizes{}, nil)
	info := &call.Info{Caller: &call.Caller{OrgID: "o"}}
	b.ReportAllocs()
	for b.Loop() {
		h := budget.Begin(info)
		if err := h.Take(b.Context(), 300); err != nil {
			b.Fatal(err)
		}
		h.End()
	}
}
