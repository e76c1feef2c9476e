package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// program is a package's compiled tests.
type program struct {
	unit    *unit
	options options
	folder  string // for what is written
	binary  string
	tests   []*test // by their times
}

// test is one function of the tests.
type test struct {
	name    string
	time    time.Duration // of processors, that it takes alone
	reached map[int]bool  // the sites that it reaches
}

// limits are what a run may take: time of processors, which does not depend on what else
// the machine does, and time in all.
type limits struct{ work, wait time.Duration }

// limits are those of the package as it is.
func (o options) limits() limits { return limits{o.timeout, 10 * o.timeout} }

// limitsOf a mutant are a multiple of what its tests take.
func limitsOf(work time.Duration) limits {
	return limits{2*time.Second + 4*work, 30*time.Second + 20*work}
}

// memory is the address space that a run may take, in KiB: changed loops may never stop
// appending.
const memory = 8 << 20

// build compiles the tests with files replaced or added, into a file. It reports what the
// compiler says where it refuses them.
func (u *unit) build(ctx context.Context, folder, binary string, files map[string][]byte) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	replace := map[string]string{}
	for path, text := range files {
		name := filepath.Join(folder, filepath.Base(path))
		if err := os.WriteFile(name, text, 0o644); err != nil {
			return err
		}
		replace[path] = name
	}
	raw, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		return err
	}
	overlay := filepath.Join(folder, "overlay.json")
	if err := os.WriteFile(overlay, raw, 0o644); err != nil {
		return err
	}
	c := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", overlay, "-o", binary, ".")
	c.Dir = u.dir
	if said, err := c.CombinedOutput(); err != nil {
		return cmp.Or(ctx.Err(), fmt.Errorf("%s: go test -c: %w\n%s", u.name, err, bytes.TrimSpace(said)))
	}
	return nil
}

// start compiles the schemata of a package. It runs each test of the package as it is:
// how long it takes, and which sites it reaches.
func start(ctx context.Context, o options, s *schemata, folder string) (*program, error) {
	u := s.unit
	p := &program{unit: u, options: o, folder: folder, binary: filepath.Join(folder, "tests")}
	files := map[string][]byte{filepath.Join(u.dir, "dnnc_mutants.go"): s.switches()}
	for _, f := range u.files {
		if len(f.sites) > 0 {
			files[f.path] = f.rewritten()
		}
	}
	if err := u.build(ctx, filepath.Join(folder, "schemata"), p.binary, files); err != nil {
		return nil, err
	}
	list := exec.CommandContext(ctx, p.binary, "-test.list", "^(Test|Fuzz|Example)")
	list.Dir = u.dir
	raw, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: -test.list: %w", u.name, err)
	}
	for _, name := range strings.Fields(string(raw)) {
		p.tests = append(p.tests, &test{name: name})
	}
	err = each(ctx, o.workers, p.tests, func(_ int, t *test) error {
		file := filepath.Join(folder, "reached."+t.name)
		became, said, work := p.run(ctx, p.binary, []*test{t}, o.limits(), reachedVariable+"="+file)
		if became != survived {
			return cmp.Or(ctx.Err(), fmt.Errorf("%s: %s alone, on the package as it is: %s\n%s", u.name, t.name, became, said))
		}
		t.time = work
		raw, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		t.reached = map[int]bool{}
		for _, line := range strings.Fields(string(raw)) {
			var site int
			if _, err := fmt.Sscan(line, &site); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			t.reached[site] = true
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(p.tests, func(a, b *test) int { return cmp.Compare(a.time, b.time) })
	if became, said, _ := p.run(ctx, p.binary, p.tests, o.limits()); became != survived {
		return nil, cmp.Or(ctx.Err(), fmt.Errorf("%s: the tests of the package as it is: %s\n%s", u.name, became, said))
	}
	return p, nil
}

// mutate runs a mutant of the schemata, with the tests that reach its site.
func (p *program) mutate(ctx context.Context, number, site int) outcome {
	var reaching []*test
	for _, t := range p.tests {
		if t.reached[site] {
			reaching = append(reaching, t)
		}
	}
	return p.try(ctx, p.binary, reaching, fmt.Sprintf("%s=%d", mutantVariable, number))
}

// alone compiles one mutant and runs all tests on it.
func (p *program) alone(ctx context.Context, m *mutant, worker int) outcome {
	folder := filepath.Join(p.folder, fmt.Sprint(worker))
	binary := filepath.Join(folder, "tests")
	if err := p.unit.build(ctx, folder, binary, map[string][]byte{m.source.path: m.apply()}); err != nil {
		return broken
	}
	return p.try(ctx, binary, p.tests)
}

// try runs tests on a mutant, fast ones first: most mutants are killed by many tests.
func (p *program) try(ctx context.Context, binary string, tests []*test, env ...string) outcome {
	sum := time.Duration(0)
	for _, t := range tests {
		sum += t.time
	}
	fast, part := 0, time.Duration(0)
	for ; fast < len(tests) && part+tests[fast].time <= sum/4; fast++ {
		part += tests[fast].time
	}
	for _, g := range []struct {
		tests []*test
		time  time.Duration
	}{{tests[:fast], part}, {tests[fast:], sum - part}} {
		if len(g.tests) == 0 {
			continue
		}
		if became, _, _ := p.run(ctx, binary, g.tests, limitsOf(g.time), env...); became != survived {
			return became
		}
	}
	return survived
}

// run runs tests in the folder of the package, as go test does, and returns what they said
// and the time of processors that they took.
func (p *program) run(ctx context.Context, binary string, tests []*test, limit limits, env ...string) (became outcome, said []byte, work time.Duration) {
	var names []string
	for _, t := range tests {
		names = append(names, regexp.QuoteMeta(t.name))
	}
	ctx, stop := context.WithTimeout(ctx, limit.wait)
	defer stop()
	limited := fmt.Sprintf(`ulimit -t %d && ulimit -v %d && exec "$0" "$@"`, int(math.Ceil(limit.work.Seconds())), memory)
	c := exec.CommandContext(ctx, "sh", "-c", limited, binary, "-test.paniconexit0", "-test.failfast", "-test.timeout=0", "-test.run=^("+strings.Join(names, "|")+")$")
	if p.options.short {
		c.Args = append(c.Args, "-test.short")
	}
	c.Dir, c.WaitDelay = p.unit.dir, time.Second
	c.Env = append(os.Environ(), fmt.Sprintf("GOMAXPROCS=%d", max(1, runtime.NumCPU()/p.options.workers)))
	c.Env = append(c.Env, env...)
	said, err := c.CombinedOutput()
	if c.ProcessState != nil {
		work = c.ProcessState.UserTime() + c.ProcessState.SystemTime()
	}
	switch {
	case err == nil:
		return survived, nil, work
	case ctx.Err() != nil || c.ProcessState != nil && !c.ProcessState.Exited(): // killed by a signal: the system's limit is reached
		return timeout, said, work
	}
	return killed, said, work
}
