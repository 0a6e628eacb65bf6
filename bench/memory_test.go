package main

import "testing"

func TestCollectorTime(t *testing.T) {
	t.Parallel()
	const trace = `{"level":"WARN","msg":"0.1+1/1/1+0.1 ms"}
gc 1 @0.012s 1%: 0.10+1.2+0.004 ms clock, 0.2+0.30/1.5/7.0+0.008 ms cpu, 3->4->1 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 2 P
gc 2 @0.020s 2%: 0.02+0.5+0.003 ms clock, 0.05+0/0.4/0+0.006 ms cpu, 3->3->1 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 2 P (forced)
`
	if got := collectorTime(trace); got < 2463 || got > 2465 {
		t.Errorf("%v µs, want 2464", got)
	}
}
