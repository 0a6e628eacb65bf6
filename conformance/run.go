package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// checkTimeout is for one check with its fixtures, on a slow server that runs other checks, too.
const checkTimeout = 5 * time.Minute

// Options configure a run.
type Options struct {
	URL           string       // base URL of the server, with its base path if it has one
	AdminSecret   string       // the platform's admin secret
	Receiver      string       // address of this machine at which the server reaches the suite, for webhooks; default 127.0.0.1
	Parallel      int          // number of checks that run at the same time; default 4
	Filter        string       // comma-separated prefixes of requirement ids or parts of check names; default all
	Patience      float64      // multiplies the time limits of the checks, for a slow server or machine; default and least 1
	KnownFailures []string     // ids of requirements that are expected to fail; see ReadKnownFailures
	Out           io.Writer    // receives the report as text; nil for none
	Log           *slog.Logger // receives log messages; nil for none
	Checks        []Check      // the checks; nil for Checks()
	Profiles      []string     // the profiles to which the server is held; nil: those that it declares (B2B-SRV-011)
}

// Run runs the checks and returns the results; [Report.OK] reports whether the server passed. It
// returns an error if no check could run: for an invalid URL, a server that cannot be reached, a
// wrong admin secret, or options that match no check.
func Run(ctx context.Context, o Options) (Report, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Out == nil {
		o.Out = io.Discard
	}
	if o.Parallel <= 0 {
		o.Parallel = 4
	}
	if o.Checks == nil {
		o.Checks = Checks()
	}
	for _, id := range o.KnownFailures {
		if !slices.ContainsFunc(o.Checks, func(c Check) bool { return slices.Contains(c.Requirements, id) }) {
			return Report{}, fmt.Errorf("conformance: known failure %s: no check names this requirement", id)
		}
	}
	if err := knownProfiles(o.Profiles); err != nil {
		return Report{}, err
	}
	chosen := slices.DeleteFunc(slices.Clone(o.Checks), func(c Check) bool { return !matches(c, o.Filter) })
	if len(chosen) == 0 {
		return Report{}, fmt.Errorf("conformance: no check matches the filter %q", o.Filter)
	}
	tg, err := newTarget(o.URL, o.AdminSecret, func(f string, a ...any) { o.Log.Info(fmt.Sprintf(f, a...)) })
	if err != nil {
		return Report{}, err
	}
	defer tg.client.CloseIdleConnections()
	tg.receiver, tg.patience = o.Receiver, o.Patience
	if tg.receiver == "" {
		tg.receiver = "127.0.0.1"
	}
	if _, err := tg.super(); err != nil {
		return Report{}, fmt.Errorf("conformance: no check could run: %w", err)
	}
	started := time.Now()
	tg.loadOpenAPI(ctx)
	tg.held = append([]string{core}, o.Profiles...)
	if o.Profiles == nil {
		if tg.held, err = tg.declared(ctx); err != nil {
			return Report{}, err
		}
	}
	chosen = slices.DeleteFunc(chosen, func(c Check) bool {
		return slices.ContainsFunc(profilesOf(c), func(p string) bool { return !slices.Contains(tg.held, p) })
	})
	if len(chosen) == 0 {
		return Report{}, fmt.Errorf("conformance: the filter %q matches only checks of profiles that the server does not have", o.Filter)
	}
	results := append(runAll(ctx, tg, o, chosen), tg.recorder.result()...)
	if err := ctx.Err(); err != nil {
		return Report{}, errors.Join(errors.New("conformance: the run was cancelled"), err)
	}
	rep := newReport(o.URL, results, o.KnownFailures)
	rep.Profiles = rep.byProfile(tg.held)
	rep.StartedAt, rep.DurationMS = started.UnixMilli(), time.Since(started).Milliseconds()
	return rep, rep.print(o.Out)
}

// runAll runs the checks, o.Parallel at the same time, and returns their results in the order of
// the checks.
func runAll(ctx context.Context, tg *target, o Options, checks []Check) []CheckResult {
	results := make([]CheckResult, len(checks))
	slots := make(chan struct{}, o.Parallel)
	var wg sync.WaitGroup
	for i, c := range checks {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			ctx, cancel := context.WithTimeout(ctx, tg.patient(checkTimeout))
			defer cancel()
			begin := time.Now()
			failures := (&T{ctx: ctx, target: tg, profiles: profilesOf(c)}).run(c)
			results[i] = CheckResult{Name: c.Name, Requirements: c.Requirements, Failures: failures, DurationMS: time.Since(begin).Milliseconds()}
			o.Log.Debug("check done", "name", c.Name, "failures", len(failures), "ms", results[i].DurationMS)
		})
	}
	wg.Wait()
	return results
}

// matches reports whether the filter selects the check.
func matches(c Check, filter string) bool {
	if strings.TrimSpace(filter) == "" {
		return true
	}
	for part := range strings.SplitSeq(filter, ",") {
		part = strings.ToLower(strings.TrimSpace(part))
		if part == "" {
			continue
		}
		if strings.Contains(strings.ToLower(c.Name), part) {
			return true
		}
		if slices.ContainsFunc(c.Requirements, func(id string) bool { return strings.HasPrefix(strings.ToLower(id), part) }) {
			return true
		}
	}
	return false
}
