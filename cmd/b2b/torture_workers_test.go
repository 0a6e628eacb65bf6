package main

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/torture"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
)

// The size of a run of workers; B2B_TORTURE_CHANGES is the number of questions.
const (
	crewWorkers   = 20
	crewQuestions = 200
	crewSettled   = 6 * time.Minute // for what is left when all is asked
)

// TestTortureOfWorkers checks that workers answer each question once and in order, while servers and
// workers are killed, leases end, connections break, notifications are lost and the clocks of nodes
// differ (B2B-DLV-004, 009, 010, 014, B2B-LIFE-020).
func TestTortureOfWorkers(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		f := newFleet(t, 1)
		f.employ(filepath.Join(f.data[0], "b2b.db"), nil)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		f := newFleet(t, 3)
		f.ahead = []string{"0s", "40s", "-40s"} // more than four leases
		address := pgtest.URL(t)
		proxy := f.postgres(address)
		f.env = append(f.env, "B2B_DATABASE_TIMEOUT=30") // a machine that is busy with other tests answers late
		f.employ(address, func() {
			proxy.Cut()
			f.silence(address)
		})
	})
}

// employ runs the test. trouble is called now and then to cause another failure.
func (f *fleet) employ(storage string, trouble func()) {
	t := f.t
	if f.changes == tortureChanges {
		f.changes = crewQuestions
	}
	t.Logf("B2B_TORTURE_SEED=%d", f.seed)
	for i := range f.nodes {
		f.start(i)
	}
	ctx, cancel := context.WithTimeout(t.Context(), tortureMost)
	defer cancel()
	c, err := torture.SetupCrew(ctx, torture.Plan{Seed: f.seed, AdminSecret: adminSecret, Threads: 6, Writers: 6, Changes: f.changes}, crewWorkers, f)
	if err != nil {
		t.Fatalf("found the org: %v", err)
	}
	defer c.Close()

	working, stopWorking := context.WithCancel(ctx)
	defer stopWorking()
	var all sync.WaitGroup
	all.Go(func() { c.Work(working) })
	defer all.Wait()
	defer stopWorking()
	asked := make(chan struct{})
	began := time.Now()
	asking, stopAsking := context.WithTimeout(ctx, f.load)
	defer stopAsking()
	all.Go(func() {
		defer close(asked)
		c.Ask(ctx, asking.Done())
	})
	f.disrupt(asked, c, trouble)
	loaded := time.Since(began)
	settling, stopSettling := context.WithTimeout(ctx, crewSettled)
	defer stopSettling()
	if err := c.Settled(settling); err != nil {
		t.Errorf("settle what was asked: %v", err)
	}
	stopWorking()
	all.Wait()
	log := f.readLog(ctx, storage, c.Org)
	if err := c.Judge(log); err != nil {
		t.Error(err)
	}
	t.Logf("%d questions in %d events; asked in %s, settled %s later; %s",
		c.Done(), len(log), loaded.Round(time.Millisecond), (time.Since(began) - loaded).Round(time.Millisecond), c.Ends())
	f.end()
}
