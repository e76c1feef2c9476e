// Command products compares the products of the interpreter with onnxruntime's, on one core:
// layers in float and in integers, which testdata/peers/products.py writes as models of ONNX. Both
// run in turns, their processor time is taken, and of each the fastest run counts, so that other
// work on the machine slows both or neither. It prints multiply-adds a second, the nodes that onnxruntime runs, and the geometric
// mean for each kind of layer beside its bar. make peers-products runs it.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"golang.org/x/sys/unix"

	"github.com/dnnc/dnnc/frontend/onnx"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/gemm"
	"github.com/dnnc/dnnc/runtime/interp"
)

// bars are the least geometric means of the ratios of speeds.
var bars = map[string]float64{"convolution": .7, "convolution int8": .4, "depthwise": .5, "depthwise int8": .5}

// layer is a line of the peer: a layer as it runs it; the last has its version only.
type layer struct {
	Name, Kind, File string
	Images           int
	Products         float64 // multiply-adds of all images
	Picked           []string
	Version          string
}

func main() {
	python := flag.String("python", "bin/peers/python/bin/python", "a Python with onnx and onnxruntime")
	script := flag.String("script", "testdata/peers/products.py", "what runs the peer")
	only := flag.String("only", "", "the layers to run, a list of parts of names; all of them where this is empty")
	rounds := flag.Int("rounds", 30, "runs of each layer and side, in turns")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *python, *script, *only, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "products:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer, python, script, only string, rounds int) error {
	if rounds < 1 {
		return fmt.Errorf("-rounds %d: at least 1", rounds)
	}
	runtime.GOMAXPROCS(1)
	dir, err := os.MkdirTemp("", "dnnc-products-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p, err := start(ctx, python, script, dir)
	if err != nil {
		return err
	}
	err = compare(ctx, w, p, only, rounds)
	return errors.Join(err, p.stop())
}

// peer is the process of the other side.
type peer struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	layers []layer
	name   string
}

func start(ctx context.Context, python, script, dir string) (*peer, error) {
	p := &peer{cmd: exec.CommandContext(ctx, python, script, dir)}
	p.cmd.Stderr = os.Stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.in, p.out = in, bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	for {
		var l layer
		line, err := p.out.ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(line, &l)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s %s: %w", python, script, err), p.stop())
		}
		if l.Version != "" {
			p.name = "onnxruntime " + l.Version
			return p, nil
		}
		p.layers = append(p.layers, l)
	}
}

// stop ends the peer, which ends with its input.
func (p *peer) stop() error {
	p.in.Close()
	return p.cmd.Wait()
}

// seconds is what one run of a layer takes the peer.
func (p *peer) seconds(name string) (float64, error) {
	if _, err := fmt.Fprintln(p.in, name); err != nil {
		return 0, err
	}
	line, err := p.out.ReadString('\n')
	if err != nil {
		return 0, fmt.Errorf("%s of %s: %w", p.name, name, err)
	}
	return strconv.ParseFloat(strings.TrimSpace(line), 64)
}

func compare(ctx context.Context, to io.Writer, p *peer, only string, rounds int) error {
	fmt.Fprintf(to, "10^9 multiply-adds a second on one core, the fastest of %d runs in turns; dnnc by %s\n", rounds, gemm.Instructions())
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "layer\tdnnc\t%s\tratio\twhat that ran\n", p.name)
	ratios := map[string][]float64{}
	for _, l := range p.layers {
		if !isWanted(only, l.Name) {
			continue
		}
		ours, theirs, err := inTurns(ctx, p, l, rounds)
		if err != nil {
			return fmt.Errorf("%s: %w", l.Name, err)
		}
		ratios[l.Kind] = append(ratios[l.Kind], theirs/ours)
		fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%.2f\t%s\n", l.Name, l.Products/ours/1e9, l.Products/theirs/1e9, theirs/ours, strings.Join(l.Picked, ", "))
	}
	w.Flush()
	return summary(to, ratios)
}

// isWanted reports whether a name has one of the parts of a list.
func isWanted(only, name string) bool {
	return only == "" || slices.ContainsFunc(strings.Split(only, ","), func(part string) bool { return strings.Contains(name, part) })
}

// summary prints the mean of each kind, and whether its bar is met.
func summary(to io.Writer, ratios map[string][]float64) error {
	if len(ratios) == 0 {
		return errors.New("-only names no layer")
	}
	met := 0
	for _, kind := range slices.Sorted(maps.Keys(ratios)) {
		var sum float64
		for _, r := range ratios[kind] {
			sum += math.Log(r)
		}
		mean := math.Exp(sum / float64(len(ratios[kind])))
		if mean >= bars[kind] {
			met++
		}
		fmt.Fprintf(to, "%s: %.2f in the geometric mean of %d, bar %.2f\n", kind, mean, len(ratios[kind]), bars[kind])
	}
	fmt.Fprintf(to, "%d of %d bars are met\n", met, len(ratios))
	return nil
}

// inTurns is the least seconds of a layer on both sides.
func inTurns(ctx context.Context, p *peer, l layer, rounds int) (ours, theirs float64, err error) {
	step, err := own(ctx, l)
	if err != nil {
		return 0, 0, err
	}
	ours, theirs = math.Inf(1), math.Inf(1)
	for range rounds {
		begin, err := processorTime()
		if err == nil {
			err = step()
		}
		if err != nil {
			return 0, 0, err
		}
		end, err := processorTime()
		if err != nil {
			return 0, 0, err
		}
		ours = min(ours, end-begin)
		s, err := p.seconds(l.Name)
		if err != nil {
			return 0, 0, err
		}
		theirs = min(theirs, s)
	}
	return ours, theirs, nil
}

// processorTime is the seconds that this process has had a processor.
func processorTime() (float64, error) {
	var t unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t)
	return float64(t.Nano()) / 1e9, err
}

// own is a run of a layer by the interpreter.
func own(ctx context.Context, l layer) (func() error, error) {
	m, err := onnx.Load(l.File, onnx.Options{Exact: true})
	if err != nil {
		return nil, err
	}
	if !m.IsQuantized() {
		prog, err := interp.CompileFloat(m)
		if err != nil {
			return nil, err
		}
		return forward(ctx, prog, l.Images, func(r *rand.Rand) float32 { return float32(r.NormFloat64()) }), nil
	}
	for _, n := range m.Ops {
		n.Drop(ir.AttrRound) // dnnc's own networks round half up
	}
	prog, err := interp.CompileInt(m)
	if err != nil {
		return nil, err
	}
	return forward(ctx, prog, l.Images, func(r *rand.Rand) int8 { return int8(r.Uint32()) }), nil
}

// forward runs a program on random images.
func forward[T float32 | int8](ctx context.Context, p *interp.Program[T], images int, draw func(*rand.Rand) T) func() error {
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]T, images*p.Record())
	for i := range x {
		x[i] = draw(r)
	}
	// Memory is taken once, as a search takes it once for many images.
	t := p.Tensors(images, p.Module.Outputs...)
	p.Feed(t, x, images)
	return func() error { return p.Run(ctx, t, images, 0, len(p.Module.Ops)) }
}
