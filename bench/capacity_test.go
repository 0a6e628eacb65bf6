package main

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/bench/internal/capacity"
)

func TestDemands(t *testing.T) {
	t.Parallel()
	demands, err := parseDemands("100:1e4, 2000:500")
	if err != nil || len(demands) != 2 || demands[0].Bots != 100 || demands[0].MessagesPerDay != 10_000 || demands[1].Bots != 2000 {
		t.Fatalf("%+v, %v", demands, err)
	}
	sum := 0.0
	for _, part := range demands[0].Mix {
		sum += part
	}
	if math.Abs(sum-1) > 1e-9 || demands[0].Writes <= 0 || demands[0].Writes >= 1 {
		t.Errorf("the parts of the mix sum up to %v, of them %v writes", sum, demands[0].Writes)
	}
	for _, text := range []string{"", "100", "100:", "0:5", "5:0", "a:b", "1:2,,3:4"} {
		if _, err := parseDemands(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

// TestCapacityFile: the committed coefficients have the cost of every operation of the mix.
func TestCapacityFile(t *testing.T) {
	t.Parallel()
	o := capacityOptions{file: "results/capacity.json", demands: "100:10000,10000:1000000", machine: capacity.Machine{Cores: 4, Database: 16, Speed: 1, Busy: 0.5}}
	var out bytes.Buffer
	if err := printCapacity(o, &out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "| 100 | 10,000 |") || !strings.Contains(out.String(), "SQLite | 1 |") {
		t.Error(out.String())
	}
	o.machine.Busy = 2
	if err := printCapacity(o, &out); err == nil {
		t.Error("control: a machine that is busier than possible is accepted")
	}
}

func TestParseStat(t *testing.T) {
	t.Parallel()
	got, err := parseStat("12 (a) b) c) S 7 12 12 0 -1 4194304 1 2 3 4 150 50 30 20 20 0 1 0 5 6\n")
	if err != nil || got.parent != 7 || got.own != 2*time.Second || got.waited != time.Second/2 {
		t.Errorf("%+v, %v; want parent 7, 2 s and 0.5 s", got, err)
	}
	for _, text := range []string{"", "1 (a) S 1", "1 (a) S x 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16"} {
		if _, err := parseStat(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}
