// Package fuzz compares all ways through dnnc on random networks: text and dump,
// interpreter, sparse updates of it, evaluator of the loop language, objects under their
// emulators; and makes what differs as small as it gets.
package fuzz

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/program"
	"github.com/dnnc/dnnc/codegen/network"
	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/loop"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/quant"
	"github.com/dnnc/dnnc/passes/validate"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/emu"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/proof"
)

// Run compares networks: how many, from which seed on, on which targets (none for
// the evaluator alone).
func Run(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	n, err := strconv.Atoi(args[0])
	if err != nil || n < 1 {
		return diag.New(diag.Pos{}, diag.BadValue, "%q is no number of networks", args[0])
	}
	seed, names := uint64(1), []string{"x86_64", "armv7"}
	if len(args) > 1 {
		if seed, err = strconv.ParseUint(args[1], 10, 64); err != nil {
			return diag.New(diag.Pos{}, diag.BadValue, "%q is no seed", args[1])
		}
	}
	if len(args) > 2 {
		names = strings.Split(args[2], ",")
		if args[2] == "none" {
			names = nil
		}
	}
	var targets []*processor.Target
	for _, name := range names {
		t, err := processor.Find(name)
		if err != nil {
			return err
		}
		if err := emu.Check(t); err != nil {
			return err
		}
		targets = append(targets, t)
	}
	show, end := driver.Progress(stderr, "random networks")
	defer end()
	failures, refusals := All(ctx, seed, n, targets, show)
	for _, f := range failures {
		fmt.Fprintf(stdout, "%v\n", f)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(failures) > 0 {
		return diag.New(diag.Pos{}, diag.CheckFailed, "%d of %d networks failed", len(failures), n)
	}
	for _, r := range refusals {
		fmt.Fprintf(stdout, "seed %d is refused: %v\n", r.Network.Seed, r.Err)
	}
	if len(refusals) > n/10+1 {
		return diag.New(diag.Pos{}, diag.CheckFailed, "%d of %d networks are refused: nothing is known of them", len(refusals), n)
	}
	fmt.Fprintf(stdout, "%d networks from seed %d: no difference between dump, interpreter, evaluator%s\n", n-len(refusals), seed, strings.Join(append([]string{""}, names...), ", "))
	return nil
}

// Failure is a network, reduced, and what is wrong with it.
type Failure struct {
	Network *Network
	Err     error
}

// String is the failure with all that makes it again.
func (f Failure) String() string {
	return fmt.Sprintf("seed %d, %s: %v\n\n%s", f.Network.Seed, f.Network.formats(), f.Err, f.Network.Source())
}

// isRefusal reports a network that quantization cannot serve, and says so: what it is for.
// Any other diagnostic of a network that is written to be right is a failure.
func isRefusal(err error) bool {
	var d *diag.Diagnostic
	var broken *pass.Error
	return errors.As(err, &d) && d.Kind == diag.Unsupported && !errors.As(err, &broken)
}

// All checks n networks from a seed on, on all cores, and returns those that fail, and
// those that are refused.
func All(ctx context.Context, seed uint64, n int, targets []*processor.Target, progress func(done, total int)) (failures, refusals []Failure) {
	found := make([]*Failure, n)
	next := make(chan int)
	var wg sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for range min(runtime.GOMAXPROCS(0), n) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range next {
				found[i] = one(ctx, seed+uint64(i), targets)
				mu.Lock()
				done++
				progress(done, n)
				mu.Unlock()
			}
		}()
	}
	for i := 0; i < n && ctx.Err() == nil; i++ {
		next <- i
	}
	close(next)
	wg.Wait()
	for _, f := range found {
		switch {
		case f == nil:
		case isRefusal(f.Err):
			refusals = append(refusals, *f)
		default:
			failures = append(failures, *f)
		}
	}
	return failures, refusals
}

func one(ctx context.Context, seed uint64, targets []*processor.Target) *Failure {
	net := Random(seed)
	err := Check(ctx, net, targets)
	if err == nil || ctx.Err() != nil {
		return nil
	}
	if isRefusal(err) {
		return &Failure{net, err}
	}
	net = reduced(net, err, func(c *Network) error {
		err := Check(ctx, c, targets)
		if ctx.Err() != nil {
			return nil
		}
		return err
	})
	return &Failure{net, errors.Join(Check(ctx, net, targets), ctx.Err())}
}

// images is the inputs that are compared.
const images = 4

// Check takes one network every way; nil where all agree.
func Check(ctx context.Context, n *Network, targets []*processor.Target) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &panicked{r, debug.Stack()}
		}
	}()
	dir, err := os.MkdirTemp("", "dnnc-fuzz-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path, err := n.write(dir)
	if err != nil {
		return err
	}
	plain := targets
	if len(plain) == 0 {
		t, err := processor.Find(processor.Names()[0])
		if err != nil {
			return err
		}
		plain = []*processor.Target{t}
	}
	for _, t := range plain {
		m, err := compile(ctx, n, path, t)
		if err != nil {
			return fmt.Errorf("%s: %w", t.Name, err)
		}
		if err := dumps(dir, m); err != nil {
			return fmt.Errorf("%s: %w", t.Name, err)
		}
		in, want, err := answers(ctx, m, n.Seed)
		if err != nil {
			return fmt.Errorf("%s: interpreter: %w", t.Name, err)
		}
		if err := followed(ctx, m, n.Seed); err != nil {
			return fmt.Errorf("%s: sparse updates: %w", t.Name, err)
		}
		if err := evaluated(m, in, want); err != nil {
			return fmt.Errorf("%s: evaluator: %w", t.Name, err)
		}
		if len(targets) == 0 {
			continue
		}
		if err := executed(ctx, m, t, n.How, in, want); err != nil {
			return fmt.Errorf("%s: object: %w", t.Name, err)
		}
	}
	return nil
}

func compile(ctx context.Context, n *Network, path string, t *processor.Target) (*ir.Module, error) {
	m, err := lowered(ctx, n, path, t, n.Rows)
	var d *diag.Diagnostic
	if n.Rows && errors.As(err, &d) && d.Kind == diag.Unsupported { // its first layers need the whole image
		return lowered(ctx, n, path, t, false)
	}
	return m, err
}

// leastPart is the cycles of a part: of small networks none would be divided by the default.
const leastPart = 20

// lowered takes a network through all passes, and validates each of them.
func lowered(ctx context.Context, n *Network, path string, t *processor.Target, rows bool) (*ir.Module, error) {
	m, err := frontend.Load(path, frontend.Options{})
	if err != nil {
		return nil, err
	}
	env := &pass.Env{Target: t, Rows: rows, LeastPart: leastPart, Level: pass.Int8, Rounding: quant.Nearest, Seed: n.Seed,
		Calibration: func() (data.Batch, error) { return driver.Noise(dnnc.DataInputs(m), 8, n.Seed), nil }}
	if t.HasThreads() {
		env.Threads = n.Threads
	}
	if n.Compensated {
		env.Rounding = ""
	}
	if env.Fix, err = n.fixed(); err != nil {
		return nil, err
	}
	v := validate.New(m, n.Seed)
	return m, passes.Table.Run(ctx, m, env, pass.Options{Observe: func(p *pass.Pass, _ time.Duration, m *ir.Module) error {
		err := v.Observe(ctx, p, m)
		if p.Name == passes.Quantized && n.TFLite {
			roundAsImported(m)
			m.After = p.Name
			v = validate.New(m, n.Seed)
		}
		return err
	}})
}

// roundAsImported makes a quantized module one of those that importers make of quantized
// models.
func roundAsImported(m *ir.Module) {
	of := func(o *ir.Node, role ir.Key[*ir.Const]) *ir.Const {
		if !o.Op.Takes(role) {
			return nil
		}
		return o.Const(role)
	}
	for k, o := range m.Ops {
		if w := of(o, ir.AttrWeight); w != nil && w.Type.Elem.Kind == ir.Odd && w.Type.Elem.Bits > 1 && w.Type.Elem.Bits < 8 && k%2 == 0 {
			w.Type.Elem.Kind = ir.Two
		}
		// An L2 norm that rounds as TensorFlow Lite has no multiplier, and a scale of its own.
		if o.Op.Takes(ir.AttrRound) && o.Op != ir.L2Norm && of(o, ir.AttrMul) != nil && !o.HasWideSums() {
			o.Put(ir.AttrRound.Is([]string{ir.RoundTFLite, ir.RoundTwice, ir.RoundEven}[k%3]))
		}
		if o.Op == ir.Recurrent && o.Word(ir.AttrCell) == ir.CellLSTM && o.Args[0].Type.IsWide() && !o.Out.Type.IsWide() {
			asLSTM8(m, o, k)
		}
	}
	m.PruneConsts()
}

// asLSTM8 makes an LSTM one of TensorFlow Lite's integers, with its weights of the hidden state.
func asLSTM8(m *ir.Module, o *ir.Node, k int) {
	rows := o.Const(ir.AttrHidden).Type.Shape[0]
	put := func(key ir.Key[*ir.Const], list []int64) {
		c := ir.IntConst(o.Name()+".lstm8."+key.String(), ir.Of(ir.I32), ir.Shape{len(list)}, list)
		m.Consts = append(m.Consts, c)
		o.Put(key.Is(c))
	}
	o.Drop(ir.AttrTable)
	bias := make([]int64, rows)
	for i := range bias {
		bias[i] = int64(i*977%8000 - 4000)
	}
	put(ir.AttrBias, bias)
	put(ir.AttrMul, slices.Repeat([]int64{1<<30 + 12345}, 5))
	put(ir.AttrShift, []int64{30, 31, 32, 35, 53})
	o.Put(ir.AttrCell.Is(ir.CellLSTM8), ir.AttrCellBits.Is(k%(ir.MostCellBits+1)), ir.AttrCellClip.Is(k%2*12345))
}

// dumps prints a module, reads it and prints it again.
func dumps(dir string, m *ir.Module) error {
	d, err := frontend.NewDump(m)
	if err != nil {
		return err
	}
	var tensors, anew bytes.Buffer
	if err := d.WriteTensors(&tensors); err != nil {
		return err
	}
	if err := os.WriteFile(dir+"/"+d.TensorsName, tensors.Bytes(), 0o644); err != nil {
		return err
	}
	again, err := frontend.Parse(dir+"/dump.dnn", d.Text, frontend.Options{})
	if err != nil {
		return fmt.Errorf("a dump that does not parse: %w", err)
	}
	e, err := frontend.NewDump(again)
	if err != nil {
		return err
	}
	if err := e.WriteTensors(&anew); err != nil {
		return err
	}
	if !bytes.Equal(d.Text, e.Text) || !bytes.Equal(tensors.Bytes(), anew.Bytes()) {
		return fmt.Errorf("a dump is printed otherwise when it is read:\n%s\n%s", d.Text, e.Text)
	}
	return nil
}

// answers are inputs, least, greatest and of noise, and the interpreter's outputs,
// in the order of memory.
func answers(ctx context.Context, m *ir.Module, seed uint64) (in, out [][]byte, err error) {
	prog, err := interp.CompileInt(m)
	if err != nil {
		return nil, nil, err
	}
	rng := rand.New(rand.NewPCG(seed, 9))
	for i := range images {
		var record []int8
		values := prog.Tensors(1, m.Outputs...)
		for _, v := range m.Inputs {
			x := make([]int8, v.Type.Slots())
			isWide := v.Type.Elem.Kind == ir.I16
			for j := range x {
				x[j] = []int8{-128, 127, int8(rng.Uint32())}[min(i, 2)]
				if isWide && j%2 == 0 && i < 2 {
					x[j] = int8(-i) // the low byte of the least and of the greatest word
				}
			}
			values[prog.ID(v)] = x
			record = append(record, x...)
		}
		if err := prog.Run(ctx, values, 1, 0, len(m.Ops)); err != nil {
			return nil, nil, err
		}
		var all []byte
		for _, o := range m.Outputs {
			all = append(all, program.Physical(o, values[prog.ID(o)])...)
		}
		in, out = append(in, program.Records(m, [][]int8{record})...), append(out, all)
	}
	return in, out, nil
}

// moves is the inputs to which a network is brought by what changes.
const moves = 6

// followed brings a network by sparse updates from one input to another, and holds every
// integer to the interpreter's.
func followed(ctx context.Context, m *ir.Module, seed uint64) error {
	net, err := proof.NewNet(m)
	if err != nil {
		return err
	}
	w, err := net.NewWalker()
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(seed, 10))
	for range moves {
		k := rng.IntN(len(m.Inputs))
		var changes []proof.Change
		for i := range m.Inputs[k].Type.Slots() {
			if rng.IntN(1+m.Inputs[k].Type.Slots()/4) == 0 {
				changes = append(changes, proof.Change{Element: int32(i), Value: int8(rng.Uint32())})
			}
		}
		w.Move(k, changes)
		if err := w.Check(ctx); err != nil {
			return err
		}
	}
	return nil
}

func compare(i int, want, got []byte) error {
	for k := range want {
		if k >= len(got) || want[k] != got[k] {
			return fmt.Errorf("input %d, element %d is not %d", i, k, int8(want[k]))
		}
	}
	return nil
}

// evaluated runs the loop language's own evaluator: the run function, and the one with threads, whose
// parts it runs from the last to the first.
func evaluated(m *ir.Module, in, want [][]byte) error {
	p, err := network.Write(m, network.Interface{Prefix: "n"})
	if err != nil {
		return err
	}
	for _, f := range p.Funcs {
		if f.Name != "n_run" && f.Name != "n_run_threads" {
			continue
		}
		if err := called(m, f, in, want); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return nil
}

func called(m *ir.Module, f *loop.Func, in, want [][]byte) error {
	for i := range in {
		var memory []loop.Memory
		rest := in[i]
		for _, v := range m.Inputs {
			size := v.Type.Slots()
			memory, rest = append(memory, rest[:size]), rest[size:]
		}
		for _, o := range m.Outputs {
			memory = append(memory, make([]byte, o.Type.Slots()))
		}
		if _, err := loop.Run(f, nil, append(memory, make([]byte, m.Arena.Bytes))); err != nil {
			return err
		}
		var got []byte
		for _, o := range memory[len(m.Inputs) : len(m.Inputs)+len(m.Outputs)] {
			got = append(got, o...)
		}
		if err := compare(i, want[i], got); err != nil {
			return err
		}
	}
	return nil
}

// executed runs the object on its target or under its emulator.
func executed(ctx context.Context, m *ir.Module, t *processor.Target, how How, in, want [][]byte) error {
	b, err := program.New(ctx, &dnnc.Result{Module: m, Target: t, Config: dnnc.Config{Target: t, Hooks: how.Hooks, Lend: how.Lend}})
	if err != nil {
		return err
	}
	defer b.Close()
	modes := []program.Mode{program.Whole}
	if how.Stepped {
		modes[0] = program.Stepped
	}
	if m.Threads > 0 {
		modes = append(modes, program.Threaded)
	}
	for _, mode := range modes {
		if err := runs(ctx, b, mode, in, want); err != nil {
			return fmt.Errorf("%s: %w", modeNames[mode], err)
		}
	}
	return nil
}

// modeNames says how an object that differs was run.
var modeNames = map[program.Mode]string{program.Whole: "run", program.Stepped: "steps", program.Threaded: "threads"}

// runs links the object with a program of a mode, and compares its answers.
func runs(ctx context.Context, b *program.Build, mode program.Mode, in, want [][]byte) error {
	p, err := b.Link(ctx, mode)
	if err != nil {
		return err
	}
	got, err := p.Run(ctx, in)
	if err != nil {
		return err
	}
	for i := range in {
		switch {
		case got.Status[i]&emu.GuardBroken != 0:
			return fmt.Errorf("input %d: memory around the arena, an input or an output was written", i)
		case got.Status[i] != 0:
			return fmt.Errorf("input %d: the run function failed", i)
		}
		if err := compare(i, want[i], got.Outputs[i]); err != nil {
			return err
		}
	}
	return nil
}
