// Command mutate changes a package at random places, one at a time, and runs the
// package's own tests on each change: what no test notices, no test holds. The tests must
// pass on the package as it is. make mutate runs it.
//
// Which changes there are is what gremlins lists, in its dry run: it draws no sample, and
// tries only what a test covers, so that the sample is drawn and run here, covered and
// uncovered alike. go-mutesting, the other tool, was no alternative: neither its first
// version nor its fork could be had through the Go module proxy.
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// tool lists the changes.
const tool = "github.com/go-gremlins/gremlins/cmd/gremlins@v0.6.0"

// mutators are all that the tool has.
var mutators = []string{
	"arithmetic-base", "conditionals-boundary", "conditionals-negation", "increment-decrement", "invert-assignments", "invert-bitwise",
	"invert-bwassign", "invert-logical", "invert-loopctrl", "invert-negatives", "remove-self-assignments",
}

// replacements are what mutators make of an operator, by the tool's names: its listing
// says where and which, not what.
var replacements = map[string]map[string]string{
	"ARITHMETIC_BASE":         {"+": "-", "-": "+", "*": "/", "/": "*", "%": "*"},
	"CONDITIONALS_BOUNDARY":   {">=": ">", ">": ">=", "<=": "<", "<": "<="},
	"CONDITIONALS_NEGATION":   {"==": "!=", "!=": "==", ">=": "<", "<": ">=", ">": "<=", "<=": ">"},
	"INCREMENT_DECREMENT":     {"++": "--", "--": "++"},
	"INVERT_ASSIGNMENTS":      {"+=": "-=", "-=": "+=", "*=": "/=", "/=": "*="},
	"INVERT_BITWISE":          {"&": "|", "|": "&", "^": "&", "&^": "&", "<<": ">>", ">>": "<<"},
	"INVERT_BWASSIGN":         {"&=": "|=", "|=": "&=", "^=": "&=", "&^=": "&=", "<<=": ">>=", ">>=": "<<="},
	"INVERT_LOGICAL":          {"&&": "||", "||": "&&"},
	"INVERT_LOOPCTRL":         {"break": "continue", "continue": "break"},
	"INVERT_NEGATIVES":        {"-": "+"},
	"REMOVE_SELF_ASSIGNMENTS": {"+=": "=", "-=": "=", "*=": "=", "/=": "=", "%=": "=", "&=": "=", "|=": "=", "^=": "=", "&^=": "=", "<<=": "=", ">>=": "="},
}

// operators are all keys of replacements, longest first.
var operators = func() (list []string) {
	for _, m := range replacements {
		for op := range m {
			if !slices.Contains(list, op) {
				list = append(list, op)
			}
		}
	}
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(len(b)-len(a), cmp.Compare(a, b)) })
	return list
}()

// outcome is what became of a mutant.
type outcome string

const (
	killed   outcome = "killed"
	survived outcome = "survived"
	timeout  outcome = "timed out" // counts as killed
	broken   outcome = "does not compile"
)

// mutant is one change of a file.
type mutant struct {
	File      string // from the root of the module
	Line, Col int
	From, To  string
	Text      string // of the line, without the blanks around it
	outcome   outcome
}

func (m *mutant) String() string {
	return fmt.Sprintf("%s:%d:%d: %s became %s in: %s", m.File, m.Line, m.Col, m.From, m.To, m.Text)
}

// id is what the list of equal programs calls a mutant: it stays where lines move.
func (m *mutant) id() string {
	return fmt.Sprintf("%s: %s became %s at column %d of: %s", m.File, m.From, m.To, m.Col, m.Text)
}

// options are the flags.
type options struct {
	n, workers int
	seed       uint64
	bar        float64
	timeout    time.Duration
	short      bool
	equal      string
	list       string
}

func main() {
	var o options
	flag.IntVar(&o.n, "n", 100, "mutants of each package")
	flag.Uint64Var(&o.seed, "seed", 1, "of the sample")
	flag.Float64Var(&o.bar, "bar", 0, "percent that tests must kill; exit 1 below it")
	flag.IntVar(&o.workers, "workers", runtime.NumCPU(), "mutants tested at a time")
	flag.DurationVar(&o.timeout, "timeout", time.Minute, "for the tests of one mutant; what takes longer is killed")
	flag.BoolVar(&o.short, "short", true, "run the tests with -short")
	flag.StringVar(&o.equal, "equal", "cmd/mutate/equal.txt", "the list of mutants that are equal programs, with the reasons")
	flag.StringVar(&o.list, "list", "", "list the mutants of a package's files whose names contain this, and run none")
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

// run tests samples of packages, whose import paths or folders are given, and reports
// whether all are above the bar.
func run(ctx context.Context, o options, packages []string, out io.Writer) (isGood bool, err error) {
	known, err := equals(o.equal)
	if err != nil {
		return false, err
	}
	folder, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(folder)
	isGood = true
	for _, pkg := range packages {
		start := time.Now()
		list, err := mutants(ctx, folder, pkg)
		if err != nil {
			return false, fmt.Errorf("%s: %w", pkg, err)
		}
		if o.list != "" {
			for _, m := range list {
				if strings.Contains(m.File, o.list) {
					fmt.Fprintln(out, m)
				}
			}
			continue
		}
		rng := rand.New(rand.NewPCG(o.seed, 0))
		rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		if became, err := test(ctx, o, folder, pkg, nil); err != nil || became != survived {
			return false, cmp.Or(err, fmt.Errorf("%s: the tests of the package as it is: %s", pkg, became))
		}
		tried, err := try(ctx, o, folder, pkg, list)
		if err != nil {
			return false, err
		}
		dead, late, same, total := 0, 0, 0, 0
		for _, m := range tried {
			reason, isEqual := known[m.id()]
			switch {
			case m.outcome == broken:
				continue
			case m.outcome == killed:
				dead++
			case m.outcome == timeout:
				dead, late = dead+1, late+1
			case isEqual:
				same++
				fmt.Fprintf(out, "equal: %s\n    %s\n", m, reason)
				continue
			default:
				fmt.Fprintln(out, "survived:", m)
			}
			total++
		}
		share := 100 * float64(dead) / float64(max(total, 1))
		fmt.Fprintf(out, "%s: %d of %d mutants killed, %.0f %%, %d by the timeout; %d are equal programs (seed %d, of %d, %v)\n",
			pkg, dead, total, share, late, same, o.seed, len(list), time.Since(start).Round(time.Second))
		isGood = isGood && (total == 0 || share >= o.bar)
	}
	return isGood, ctx.Err()
}

// try tests mutants until n of them have compiled.
func try(ctx context.Context, o options, folder, pkg string, list []*mutant) (tried []*mutant, err error) {
	var lock sync.Mutex
	var group sync.WaitGroup
	next, compiled := 0, 0
	for w := range o.workers {
		group.Go(func() {
			for {
				lock.Lock()
				if err != nil || next == len(list) || compiled >= o.n || ctx.Err() != nil {
					lock.Unlock()
					return
				}
				m := list[next]
				next, compiled = next+1, compiled+1 // taken back where it does not compile
				lock.Unlock()
				became, fault := test(ctx, o, filepath.Join(folder, fmt.Sprint(w)), pkg, m)
				lock.Lock()
				if m.outcome = became; became == broken {
					compiled--
				}
				err = cmp.Or(err, fault)
				tried = append(tried, m)
				lock.Unlock()
			}
		})
	}
	group.Wait()
	slices.SortFunc(tried, func(a, b *mutant) int {
		return cmp.Or(cmp.Compare(a.File, b.File), a.Line-b.Line, a.Col-b.Col, cmp.Compare(a.To, b.To))
	})
	return tried, err
}

// test runs the package's tests with a mutant in place of a file, or with none.
func test(ctx context.Context, o options, folder, pkg string, m *mutant) (outcome, error) {
	args := []string{"test", "-vet=off", "-ldflags=-s -w", "-failfast", "-count=1", "-timeout", o.timeout.String()}
	if o.short {
		args = append(args, "-short")
	}
	if m != nil {
		overlay, err := m.overlay(folder)
		if err != nil {
			return "", err
		}
		args = append(args, "-overlay", overlay)
	}
	output, err := exec.CommandContext(ctx, "go", append(args, pkg)...).CombinedOutput()
	switch {
	case err == nil:
		return survived, nil
	case bytes.Contains(output, []byte("[build failed]")) || bytes.Contains(output, []byte("[setup failed]")):
		return broken, nil
	case bytes.Contains(output, []byte("panic: test timed out")):
		return timeout, ctx.Err()
	}
	return killed, ctx.Err()
}

// overlay writes what makes go build the mutant instead of its file, into a folder.
func (m *mutant) overlay(folder string) (string, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	text, err := os.ReadFile(m.File)
	if err != nil {
		return "", err
	}
	path, err := filepath.Abs(m.File)
	if err != nil {
		return "", err
	}
	replaced, overlay := filepath.Join(folder, "mutant.go"), filepath.Join(folder, "overlay.json")
	if err := os.WriteFile(replaced, m.apply(text), 0o644); err != nil {
		return "", err
	}
	files, err := json.Marshal(map[string]map[string]string{"Replace": {path: replaced}})
	if err != nil {
		return "", err
	}
	return overlay, os.WriteFile(overlay, files, 0o644)
}

// apply is the file with the operator replaced.
func (m *mutant) apply(text []byte) []byte {
	at := offset(text, m.Line, m.Col)
	return slices.Concat(text[:at], []byte(m.To), text[at+len(m.From):])
}

// offset is the place of a line and a column, which count from 1.
func offset(text []byte, line, col int) int {
	at := 0
	for range line - 1 {
		at += bytes.IndexByte(text[at:], '\n') + 1
	}
	return at + col - 1
}

// listing is what the tool writes.
type listing struct {
	Files []struct {
		Name      string `json:"file_name"`
		Mutations []struct {
			Type   string `json:"type"`
			Line   int    `json:"line"`
			Column int    `json:"column"`
		} `json:"mutations"`
	} `json:"files"`
}

// mutants are those of a package, each once, in the order of the files.
func mutants(ctx context.Context, folder, pkg string) ([]*mutant, error) {
	where, err := output(ctx, "go", "list", "-f", "{{.Dir}}\n{{.Module.Dir}}", pkg)
	if err != nil {
		return nil, err
	}
	dir, root, _ := strings.Cut(strings.TrimSpace(string(where)), "\n")
	dir, err = filepath.Rel(root, dir)
	if err != nil {
		return nil, err
	}
	if err := os.Chdir(root); err != nil {
		return nil, err
	}
	file := filepath.Join(folder, "listing.json")
	args := []string{"run", tool, "unleash", "--dry-run", "--silent", "--output", file}
	for _, m := range mutators {
		args = append(args, "--"+m)
	}
	if _, err := output(ctx, "go", append(args, "./"+dir)...); err != nil {
		return nil, err
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var l listing
	if err := json.Unmarshal(raw, &l); err != nil {
		return nil, err
	}
	var list []*mutant
	for _, f := range l.Files {
		if strings.Contains(f.Name, "/") { // of a package below this one
			continue
		}
		name := filepath.Join(dir, f.Name)
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		for _, x := range f.Mutations {
			m := read(text, x.Type, x.Line, x.Column)
			if m == nil {
				continue
			}
			m.File = name
			if !slices.ContainsFunc(list, func(o *mutant) bool { return *o == *m }) {
				list = append(list, m)
			}
		}
	}
	slices.SortFunc(list, func(a, b *mutant) int {
		return cmp.Or(cmp.Compare(a.File, b.File), a.Line-b.Line, a.Col-b.Col, cmp.Compare(a.To, b.To))
	})
	return list, nil
}

// read is the change that a line of the listing means, nil where it has none.
func read(text []byte, kind string, line, col int) *mutant {
	rest := text[offset(text, line, col):]
	for _, op := range operators {
		if bytes.HasPrefix(rest, []byte(op)) {
			to, ok := replacements[kind][op]
			if !ok {
				return nil
			}
			whole := bytes.SplitN(text[offset(text, line, 1):], []byte("\n"), 2)[0]
			return &mutant{Line: line, Col: col, From: op, To: to, Text: string(bytes.TrimSpace(whole))}
		}
	}
	return nil
}

// equals are the mutants that are equal programs, by their names, with the reasons: a
// line each, behind it an indented one.
func equals(file string) (map[string]string, error) {
	list := map[string]string{}
	f, err := os.Open(file)
	if os.IsNotExist(err) {
		return list, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	last := ""
	for s := bufio.NewScanner(f); s.Scan(); {
		line := s.Text()
		switch {
		case strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#"):
		case !strings.HasPrefix(line, " "):
			if last != "" && list[last] == "" {
				return nil, fmt.Errorf("%s: no reason for %s", file, last)
			}
			last = line
			list[last] = ""
		default:
			list[last] = strings.TrimSpace(list[last] + " " + strings.TrimSpace(line))
		}
	}
	if last != "" && list[last] == "" {
		return nil, fmt.Errorf("%s: no reason for %s", file, last)
	}
	return list, nil
}

// output runs a program whose failure is told with what it said.
func output(ctx context.Context, name string, args ...string) ([]byte, error) {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		var said string
		if e, ok := err.(*exec.ExitError); ok {
			said = string(e.Stderr)
		}
		return nil, fmt.Errorf("%s %s: %w\n%s%s", name, args[0], err, out, said)
	}
	return out, nil
}
