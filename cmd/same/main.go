// Command same proves that a change of dnnc's structure changes nothing that dnnc
// makes. It builds dnnc of a base revision and of the working tree, compiles every
// network of the repository in every format for every target with both, and
// compares dumps, certificates, headers, C files and LLVM IR byte for byte. Equal
// IR gives equal objects, of the same LLVM; with -objects it compares those, too.
//
//	make same BASE=4bea3a1                          # all; the base's side is cached
//	make same BASE=4bea3a1 ONLY='lenet5/.*/armv7$'  # what has such a name
//	make same BASE=4bea3a1 SAME='-sample 300 -seed 7'
//
// A name is network/format/target. The target "direct-T" is one build from the
// network's own file to T, with the dump of every pass; the others start at its dump
// after the pass quantize, with the base's dump for both sides, so that a
// quantization that changed shows once. Networks, data and weights come from the
// base revision. Messages are not compared, exit codes are.
//
// Not compared are what mask takes out, and names that renamed.txt lists: who renames
// an attribute or a field adds a line there. Every difference is printed with its
// first differing line and byte. Where a line stands for folded data (see fold), run
// CACHE/REV/dnnc by hand on CACHE/REV/dumps. Exit codes: 0 equal, 1 not, 2 bad
// usage, 3 a side could not be built.
package main

import (
	"cmp"
	"compress/gzip"
	"context"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// cacheVersion is of what a cached result holds: another one when mask, fold or the
// flags of every run change.
const cacheVersion = 2

// format is a way to compile a network: flags from its file on, and flags from the
// dump after quantize on.
type format struct {
	name        string
	networks    *regexp.Regexp
	first, then []string
}

var every, lenet, few = regexp.MustCompile(""), regexp.MustCompile("^lenet5$"), regexp.MustCompile("^(lenet5|dscnn|resnet8|onnx-gru_1)$")

// formats are what every network is compiled in; searches take half a minute each.
func formats() []format {
	search := []string{"-O", "robust", "-formats", "odd,vec,code", "-images", "64", "-n", "200", "-bits"}
	list := []format{
		{"robust-0.7", lenet, append(search[:len(search):len(search)], "0.7"), nil},
		{"robust-1", lenet, append(search[:len(search):len(search)], "1"), nil},
		{"fixed", lenet, []string{"-O", "universal", "-bits", "8", "-fix", "conv1=code3,conv2=vec4x8,fc1=vec4x16,fc2=odd4"}, nil},
		{"int8", every, []string{"-O", "int8"}, nil},
		{"int8-size", few, []string{"-O", "int8,size"}, []string{"-O", "size"}},
		{"int8-lend", few, []string{"-O", "int8", "-lend", "-hooks"}, []string{"-lend", "-hooks"}},
	}
	for b := 1; b <= 8; b++ {
		list = append(list, format{fmt.Sprintf("universal%d", b), every, []string{"-O", "universal", "-bits", fmt.Sprint(b)}, nil})
	}
	return list
}

// combination is one build that is compared.
type combination struct {
	name            string
	network, target string // the network's file
	format          format
	direct          bool
}

// group names what shares a quantization.
func (c combination) group() string { return filepath.Dir(c.name) }

// group is what starts at one dump, which its direct build makes.
type group struct {
	direct combination
	list   []combination // to be compared
}

func main() {
	base := flag.String("base", "", "the `revision` to compare the working tree with")
	cache := flag.String("cache", "bin/same", "the `folder` that keeps the base's side")
	only := flag.String("only", "", "a `regexp` of the names network/format/target to compare")
	number := flag.Int("sample", 0, "compare this many, drawn evenly; 0 is all")
	seed := flag.Uint64("seed", 1, "of -sample")
	objects := flag.Bool("objects", false, "compare objects, too; slow")
	jobs := flag.Int("jobs", runtime.NumCPU(), "builds at a time")
	flag.Parse()
	pattern, err := regexp.Compile(*only)
	if err != nil || *base == "" || flag.NArg() > 0 || *jobs < 1 {
		fmt.Fprintln(os.Stderr, cmp.Or(err, errors.New("same: name a revision with -base, at least one of -jobs, and nothing beside flags")))
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	n, err := compareAll(ctx, *base, *cache, pattern, *number, *seed, *objects, *jobs)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "same:", err)
		if errors.Is(err, errUsage) {
			os.Exit(2)
		}
		os.Exit(3)
	}
	if n > 0 {
		os.Exit(1)
	}
}

var errUsage = errors.New("bad usage")

// compareAll prints every difference, and returns how many there are.
func compareAll(ctx context.Context, rev, cache string, only *regexp.Regexp, number int, seed uint64, objects bool, jobs int) (int, error) {
	start := time.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	table, err := renamings(renamedTable)
	if err != nil {
		return 0, err
	}
	s := &sides{ctx: ctx, emit: "ir,c,llvm", table: table}
	if objects {
		s.emit += ",obj"
	}
	if err := s.build(rev, cache); err != nil {
		return 0, err
	}
	defer os.RemoveAll(s.temp)
	all, err := s.combinations()
	if err != nil {
		return 0, err
	}
	chosen := map[string]bool{}
	for _, c := range sample(slices.DeleteFunc(slices.Clone(all), func(c combination) bool { return !only.MatchString(c.name) }), number, seed) {
		chosen[c.name] = true
	}
	if len(chosen) == 0 {
		return 0, fmt.Errorf("%w: -only fits the name of no combination; they are like lenet5/int8/armv7", errUsage)
	}
	var groups []group
	for _, c := range all {
		if c.direct {
			groups = append(groups, group{direct: c})
		}
		if g := &groups[len(groups)-1]; chosen[c.name] {
			g.list = append(g.list, c)
		}
	}
	groups = slices.DeleteFunc(groups, func(g group) bool { return len(g.list) == 0 })
	done, next := make([]chan outcome, len(groups)), atomic.Int64{}
	for i := range done {
		done[i] = make(chan outcome, 1)
	}
	var workers sync.WaitGroup
	defer func() { cancel(); workers.Wait() }() // before their folder goes
	for range jobs {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(groups); i = int(next.Add(1)) - 1 {
				done[i] <- s.compare(groups[i])
			}
		})
	}
	var sum outcome
	shown, combos := time.Now(), 0
	for i := range groups { // in their order, whoever ends first
		o := <-done[i]
		if o.err != nil {
			return 0, o.err
		}
		for _, line := range append(o.differences, o.refused...) {
			fmt.Println(line)
		}
		sum.differences, sum.refused, sum.cached = append(sum.differences, o.differences...), append(sum.refused, o.refused...), sum.cached+o.cached
		if combos += len(groups[i].list); time.Since(shown) > 10*time.Second {
			shown = time.Now()
			fmt.Fprintf(os.Stderr, "same: %d of %d, %d differences, %.0f s\n", combos, len(chosen), len(sum.differences), time.Since(start).Seconds())
		}
	}
	fmt.Printf("%d combinations (the base's side of %d from the cache), %d refused by the base or left out, %d differences, %.0f s\n",
		len(chosen), sum.cached, len(sum.refused), len(sum.differences), time.Since(start).Seconds())
	return len(sum.differences), nil
}

// sample draws one combination of each of n equal stretches of the list.
func sample(all []combination, n int, seed uint64) []combination {
	if n <= 0 || n >= len(all) {
		return all
	}
	var drawn []combination
	rng := rand.New(rand.NewPCG(seed, 0))
	for i := range n {
		from, to := i*len(all)/n, (i+1)*len(all)/n
		drawn = append(drawn, all[from+rng.IntN(to-from)])
	}
	return drawn
}

// sides are both programs, and where they work.
type sides struct {
	ctx        context.Context
	old, new   string // programs
	tree, kept string // the base's files, and the folder of its results
	temp, emit string
	table      []renaming
}

// build makes both programs; the base's stays in the cache, with its files.
func (s *sides) build(rev, cache string) error {
	out, err := exec.Command("git", "rev-parse", "--verify", rev+"^{commit}").Output()
	if err != nil {
		return fmt.Errorf("%w: -base %s is no revision of this repository", errUsage, rev)
	}
	if cache, err = filepath.Abs(cache); err != nil {
		return err
	}
	s.kept = filepath.Join(cache, string(out[:12]))
	s.tree, s.old = filepath.Join(s.kept, "tree"), filepath.Join(s.kept, "dnnc")
	if err := os.MkdirAll(s.kept, 0o755); err != nil {
		return err
	}
	// In the cache, so that links to its files can be made.
	if s.temp, err = os.MkdirTemp(s.kept, "run"); err != nil {
		return err
	}
	s.new = filepath.Join(s.temp, "dnnc")
	if _, err := os.Stat(s.old); err != nil {
		// An archive, not a worktree: nothing to take back when it is interrupted.
		script := `set -e; rm -rf "$1"; mkdir "$1"; git archive "$2" | tar -x -C "$1"; cd "$1"; go run ./cmd/sample -networks testdata/examples; go build -trimpath -o "$3.new" ./cmd/dnnc; mv "$3.new" "$3"`
		if err := shell(script, s.tree, string(out[:40]), s.old); err != nil {
			return fmt.Errorf("the base: %w", err)
		}
	}
	return shell(`go build -trimpath -o "$1" ./cmd/dnnc`, s.new)
}

func shell(script string, args ...string) error {
	c := exec.Command("sh", append([]string{"-c", script, "sh"}, args...)...)
	c.Stderr = os.Stderr
	return c.Run()
}

// combinations lists all there are, those of one group side by side.
func (s *sides) combinations() ([]combination, error) {
	text, err := exec.Command(s.old, "targets").Output()
	if err != nil {
		return nil, fmt.Errorf("dnnc targets: %w", err)
	}
	names := targets(string(text))
	var networks []string
	for _, p := range []string{"testdata/*/*.dnn", "frontend/*/testdata/*/model.*"} {
		found, err := filepath.Glob(filepath.Join(s.tree, p))
		if err != nil {
			return nil, err
		}
		networks = append(networks, found...)
	}
	var all []combination
	for i, f := range formats() {
		for k, path := range networks {
			network := strings.TrimSuffix(filepath.Base(path), ".dnn")
			if folder, ending := filepath.Base(filepath.Dir(path)), filepath.Ext(path); ending != ".dnn" {
				network = ending[1:] + "-" + folder
			}
			if !f.networks.MatchString(network) {
				continue
			}
			prefix, turn := network+"/"+f.name+"/", names[(i+k)%len(names)]
			all = append(all, combination{prefix + "direct-" + turn, path, turn, f, true})
			for _, t := range names {
				all = append(all, combination{prefix + t, path, t, f, false})
			}
		}
	}
	return all, nil
}

var feature = regexp.MustCompile(`[ ,](\+[a-z]\w*)`)

// targets reads the table of dnnc targets: names, and the features that their
// descriptions tell of.
func targets(table string) []string {
	var list []string
	for _, line := range strings.Split(table, "\n")[1:] {
		words := strings.Fields(line)
		if len(words) == 0 {
			break // prose follows
		}
		list = append(list, words[0])
		if !strings.ContainsAny(words[0], "+:") {
			for _, f := range feature.FindAllStringSubmatch(line, -1) {
				list = append(list, words[0]+f[1])
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// outcome is what comparing a group found.
type outcome struct {
	differences, refused []string
	cached               int
	err                  error
}

// compare compares the combinations of one group.
func (s *sides) compare(g group) (o outcome) {
	dumps := filepath.Join(s.kept, "dumps", g.direct.group()+"-"+s.key(g.direct))
	first, stood, err := s.base(g.direct, dumps) // which leaves the dump
	if err != nil {
		return outcome{err: err}
	}
	if first.Exit != 0 {
		o.refused = append(o.refused, fmt.Sprintf("%s: left out: the base ends with %d, %s", g.direct.group(), first.Exit, first.Message))
		return o
	}
	// A file that has integers already is not quantized: each target starts at it.
	_, quantized := first.Files[dumpName]
	renamed := ""
	if quantized {
		if renamed, err = s.renamed(dumps); err != nil {
			return outcome{err: err}
		}
	}
	for _, c := range g.list {
		c.direct = c.direct || !quantized
		base, cached, err := s.base(c, dumps)
		if err != nil {
			return outcome{err: err}
		}
		if cached && (stood || c.name != g.direct.name) {
			o.cached++
		}
		if base.Exit != 0 {
			o.refused = append(o.refused, fmt.Sprintf("%s: the base ends with %d, %s", c.name, base.Exit, base.Message))
		}
		now, err := s.run(s.new, c, renamed, "")
		if err != nil {
			return outcome{err: err}
		}
		for _, d := range base.differences(now, s.table) {
			o.differences = append(o.differences, c.name+": "+d)
		}
	}
	return o
}

// renamed is a folder with the base's dump under the names of today.
func (s *sides) renamed(dumps string) (string, error) {
	dir, err := os.MkdirTemp(s.temp, "dump")
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(dumps, dumpName))
	if err != nil {
		return "", err
	}
	text = []byte(rename(s.table, ".dnn", string(text)))
	return dir, errors.Join(os.WriteFile(filepath.Join(dir, dumpName), text, 0o644), link(text, dumps, dir))
}

// dumpName is of the dump after the pass quantize.
const dumpName = "quantize.dnn"

var tensors = regexp.MustCompile(`(?m)^tensors "([^"/]+)"`)

// link puts the files of tensors that a dump names from one folder into another.
func link(dump []byte, from, to string) error {
	for _, m := range tensors.FindAllSubmatch(dump, -1) {
		err := os.Link(filepath.Join(from, string(m[1])), filepath.Join(to, string(m[1])))
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// result is what a build gave: its masked outputs, or why there are none.
type result struct {
	Exit    int
	Message string
	Files   map[string]string
}

// key names the base's result of a combination.
func (s *sides) key(c combination) string {
	return hex.EncodeToString(hash(fmt.Append(nil, cacheVersion, c.name, s.emit, c.format.first, c.format.then))[:12])
}

// base is the base's result, from the cache where it stands there. A direct build
// leaves its dump in the folder dumps.
func (s *sides) base(c combination, dumps string) (r result, cached bool, err error) {
	path := filepath.Join(s.kept, "results", s.key(c))
	if f, err := os.Open(path); err == nil {
		defer f.Close()
		z, err := gzip.NewReader(f)
		if err == nil {
			err = gob.NewDecoder(z).Decode(&r)
		}
		return r, true, err
	}
	keep := ""
	if c.direct {
		keep = dumps
	}
	if r, err = s.run(s.old, c, dumps, keep); err != nil || r.Exit != 0 {
		return r, false, err // failures are not kept: a full disk may be the reason
	}
	f, err := os.CreateTemp(s.temp, "result")
	if err != nil {
		return r, false, err
	}
	z := gzip.NewWriter(f)
	err = errors.Join(gob.NewEncoder(z).Encode(r), z.Close(), f.Close(), os.MkdirAll(filepath.Dir(path), 0o755), os.Rename(f.Name(), path))
	return r, false, err
}

// run builds a combination with one of the programs, and masks what it writes. A
// direct build leaves its dump in the folder keep, where there is one.
func (s *sides) run(program string, c combination, dumps, keep string) (r result, err error) {
	dir, err := os.MkdirTemp(s.temp, "build")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	args, input := slices.Concat(c.format.first, []string{c.network, "-dump-dir", "."}), ""
	if !c.direct {
		dump := filepath.Join(dumps, dumpName)
		text, err := os.ReadFile(dump)
		if err != nil {
			return r, err
		}
		// Another one after a renaming; the certificate names it.
		input = hex.EncodeToString(hash(text))
		args = slices.Concat(c.format.then, []string{dump})
	}
	ctx, cancel := context.WithTimeout(s.ctx, 15*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append(args, "-target", c.target, "-emit", s.emit, "-o", "out.o")...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOGC=400") // short runs, each core has one
	if message, err := cmd.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return r, fmt.Errorf("%s: %w", c.name, ctx.Err())
		}
		if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
			return r, err
		}
		lines := strings.Split(strings.TrimSpace(string(message)), "\n")
		return result{Exit: cmd.ProcessState.ExitCode(), Message: lines[len(lines)-1]}, nil
	}
	var certificate struct{ Content string }
	text, err := os.ReadFile(filepath.Join(dir, "out.json"))
	if err = errors.Join(err, json.Unmarshal(text, &certificate)); err != nil || len(certificate.Content) != 64 {
		return r, fmt.Errorf("%s: no content hash in the certificate: %w", c.name, err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return r, err
	}
	r.Files = map[string]string{}
	for _, f := range files {
		ending := filepath.Ext(f.Name())
		if ending == ".safetensors" {
			continue // its name and the dump have its hash
		}
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return r, err
		}
		name := number.ReplaceAllString(f.Name(), "") // the dumps': a pass may be added
		if keep != "" && name == dumpName {           // the dump last: where it stands, all does
			kept := filepath.Join(dir, name)
			if err := errors.Join(os.MkdirAll(keep, 0o755), link(text, dir, keep), os.WriteFile(kept, text, 0o644), os.Rename(kept, filepath.Join(keep, name))); err != nil {
				return r, err
			}
		}
		r.Files[name] = mask(ending, text, certificate.Content, input)
	}
	return r, nil
}

var number = regexp.MustCompile(`^\d+-`)

// differences lists what another result has otherwise, a line a file.
func (r result) differences(now result, table []renaming) (list []string) {
	if r.Exit != now.Exit {
		return []string{fmt.Sprintf("exit %d, the base's %d: %s", now.Exit, r.Exit, cmp.Or(now.Message, r.Message))}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Files)) {
		text, ok := now.Files[name]
		if !ok {
			list = append(list, name+": now missing")
		} else if d := difference(rename(table, filepath.Ext(name), r.Files[name]), text); d != "" {
			list = append(list, name+": "+d)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now.Files)) {
		if _, ok := r.Files[name]; !ok {
			list = append(list, name+": the base has none")
		}
	}
	return list
}
