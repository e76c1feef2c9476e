// Command mutate changes a package at random places, one at a time, and runs the
// package's own tests on each change: what no test notices, no test holds. The tests must
// pass on the package as it is. make mutate runs it.
//
// All changes of a package are compiled into one test program, and a variable of the
// environment says which of them runs (schemata.go). A change of a constant that the
// language needs as such is compiled alone. A change that no test reaches is not run.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// options are the flags.
type options struct {
	n, workers int
	seed       uint64
	bar        float64
	timeout    time.Duration
	short      bool
	alone      bool
	equal      string
	list       string
}

func main() {
	var o options
	flag.IntVar(&o.n, "n", 100, "mutants of each package")
	flag.Uint64Var(&o.seed, "seed", 1, "of the sample")
	flag.Float64Var(&o.bar, "bar", 0, "percent that tests must kill in each package; exit 1 below it")
	flag.IntVar(&o.workers, "workers", runtime.NumCPU(), "mutants tested at a time")
	flag.DurationVar(&o.timeout, "timeout", 2*time.Minute, "of processors, for the tests of the package as it is; a mutant gets two seconds and four times what its tests take of the processors' time, and is killed after that")
	flag.BoolVar(&o.short, "short", true, "run the tests with -short")
	flag.BoolVar(&o.alone, "alone", false, "compile every mutant alone: slow, to compare")
	flag.StringVar(&o.equal, "equal", "cmd/mutate/equal.txt", "the list of mutants that are equal programs, with the reasons")
	flag.StringVar(&o.list, "list", "", "list the mutants of the files whose names contain this, and run none")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	isGood, err := run(ctx, o, flag.Args(), os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(2)
	}
	if !isGood {
		os.Exit(1)
	}
}

// counts are what became of the mutants of a package, or of all.
type counts struct{ killed, late, equal, total int }

func (c counts) share() float64 { return 100 * float64(c.killed) / float64(max(c.total, 1)) }

func (c counts) String() string {
	return fmt.Sprintf("%d of %d mutants killed, %.0f %%, %d by the timeout; %d are equal programs", c.killed, c.total, c.share(), c.late, c.equal)
}

// run tests samples of the packages that patterns name, and reports whether all are above
// the bar.
func run(ctx context.Context, o options, patterns []string, out io.Writer) (isGood bool, err error) {
	begin := time.Now()
	known, err := equals(o.equal)
	if err != nil {
		return false, err
	}
	units, err := load(ctx, patterns)
	if err != nil {
		return false, err
	}
	isGood = true
	var all counts
	tested := 0
	for _, u := range units {
		start := time.Now()
		list := u.mutants()
		if o.list != "" {
			for _, m := range list {
				if strings.Contains(m.File, o.list) {
					fmt.Fprintln(out, m)
				}
			}
			continue
		}
		if len(list) == 0 {
			fmt.Fprintf(out, "%s: no mutants\n", u.name)
			continue
		}
		tried, alone, err := u.try(ctx, o, list)
		if err != nil {
			return false, err
		}
		c := report(out, tried, known)
		fmt.Fprintf(out, "%s: %s (seed %d, of %d, %d compiled alone, %v)\n", u.name, c, o.seed, len(list), alone, time.Since(start).Round(time.Second))
		isGood = isGood && (c.total == 0 || c.share() >= o.bar)
		all.killed, all.late, all.equal, all.total = all.killed+c.killed, all.late+c.late, all.equal+c.equal, all.total+c.total
		tested++
	}
	if o.list == "" && tested != 1 {
		fmt.Fprintf(out, "%d packages: %s (%v)\n", tested, all, time.Since(begin).Round(time.Second))
	}
	return isGood, nil
}

// report lists the mutants that tests did not kill, and counts all.
func report(out io.Writer, tried []*mutant, known map[string]string) (c counts) {
	for _, m := range tried {
		reason, isEqual := known[m.id()]
		switch {
		case m.outcome == broken:
			continue
		case m.outcome == killed:
			c.killed++
		case m.outcome == timeout:
			c.killed, c.late = c.killed+1, c.late+1
		case isEqual:
			c.equal++
			fmt.Fprintf(out, "equal: %s\n    %s\n", m, reason)
			continue
		default:
			fmt.Fprintln(out, "survived:", m)
		}
		c.total++
	}
	return c
}

// sample are n of the mutants that compile, at random.
func (u *unit) sample(n int, seed uint64, list []*mutant) (chosen []*mutant) {
	list = slices.Clone(list)
	rand.New(rand.NewPCG(seed, 0)).Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	for _, m := range list {
		if len(chosen) < n && u.compiles(m) {
			chosen = append(chosen, m)
		}
	}
	slices.SortFunc(chosen, inOrder)
	return chosen
}

// try tests a sample of the mutants of a package, and counts those that had to be compiled
// alone. Without tests every mutant survives.
func (u *unit) try(ctx context.Context, o options, list []*mutant) (chosen []*mutant, alone int, err error) {
	chosen = u.sample(o.n, o.seed, list)
	if !u.hasTests {
		for _, m := range chosen {
			m.outcome = survived
		}
		return chosen, 0, nil
	}
	s, err := newSchemata(u, chosen)
	if err != nil {
		return nil, 0, err
	}
	folder, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return nil, 0, err
	}
	defer os.RemoveAll(folder)
	p, err := start(ctx, o, s, filepath.Clean(folder))
	if err != nil {
		return nil, 0, err
	}
	err = each(ctx, o.workers, chosen, func(worker int, m *mutant) error {
		if at, ok := s.where[m]; ok && !o.alone {
			m.outcome = p.mutate(ctx, at.number, at.site)
		} else {
			m.outcome = p.alone(ctx, m, worker)
		}
		return ctx.Err()
	})
	return chosen, len(chosen) - len(s.where), err
}

// each works on a list, several of it at a time, until there is an error.
func each[T any](ctx context.Context, workers int, list []T, work func(worker int, x T) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	queue := make(chan T)
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for x := range queue {
				if err := work(w, x); err != nil {
					stop(err)
				}
			}
		})
	}
	for _, x := range list {
		select {
		case queue <- x:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(queue)
	group.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
