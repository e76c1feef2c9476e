package dnnc

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/dnnc/dnnc/codegen"
	"github.com/dnnc/dnnc/codegen/count"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/certificate"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/measure"
)

// Result is a network after the passes.
type Result struct {
	Module *ir.Module
	Float  *ir.Module // as it was before quantization; nil of a quantized dump
	Target *processor.Target
	Config Config
	Env    *pass.Env    // what the passes knew; its Report is what a search did
	Passes []Cost       // what each pass took
	Task   measure.Task // by which the network was judged; none where nothing judged it
	// Warnings are those of the build until now, in their order.
	Warnings []*diag.Warning

	integers  *ir.Module // as they were right after quantization, by the names of Float
	whole     *ir.Module // of integers, before it was made a step of some frames
	assembled *Assembled
	reference *Result
	candidate *Result // the last network of a search that was counted
	counted   int     // instructions of a run; 0 is not known
}

// Cost is the time of one pass.
type Cost struct {
	Pass string
	Took time.Duration
}

// Warn adds a warning to those of the build, and tells Config.Warn.
func (r *Result) Warn(w *diag.Warning) {
	r.Warnings = append(r.Warnings, w)
	if r.Config.Warn != nil {
		r.Config.Warn(w)
	}
}

// Reference is the same network in int8, planned for the same target: what a search
// compares with. Nil where nothing was searched.
func (r *Result) Reference() *Result {
	m := r.Env.Reference
	if m == nil {
		return nil
	}
	if r.reference == nil || r.reference.Module != m {
		c := r.Config
		c.Level, c.Warn, c.Observe = pass.Int8, nil, nil
		r.reference = &Result{Module: m, Target: r.Target, Config: c, Env: &pass.Env{Target: r.Target, Level: pass.Int8}}
	}
	return r.reference
}

// Instructions counts the instructions of a run, without an emulator: as many as under one, for
// inputs and outputs at odd addresses. It needs LLVM's linker and disassembler.
func (r *Result) Instructions(ctx context.Context) (int, error) {
	if r.counted > 0 {
		return r.counted, nil
	}
	if !count.Serves(r.Target) {
		return 0, diag.New(diag.Pos{}, diag.Unsupported, "instructions of %s are not counted without an emulator", r.Target.Name)
	}
	if r.Module.Streams() || r.Config.Hooks {
		return 0, diag.New(diag.Pos{}, diag.Unsupported, "instructions are not counted where states or the caller's hooks decide them")
	}
	a, err := r.Assemble(ctx)
	if err != nil {
		return 0, err
	}
	run, m := a.Interface.Prefix+"_run", r.Module
	program, listing, err := llvm.Listing(ctx, a.Tools, a.Object, run, r.Target)
	if err != nil {
		return 0, err
	}
	r.counted, err = count.Function(ctx, program, listing, run, count.Interface(len(m.Inputs), len(m.Outputs), a.Interface.Lend, m.Arena.Align), giverWord(m, r.Target))
	return r.counted, err
}

// giverWord is the size of a pointer where the first argument of a run is a function of the caller's.
func giverWord(m *ir.Module, t *processor.Target) int {
	if m.ByRows() == nil {
		return 0
	}
	return t.PointerBytes()
}

// taken is what the network takes on its target, where Instructions counts it.
func (r *Result) taken(ctx context.Context) (pass.Taken, error) {
	n, err := r.Instructions(ctx)
	if err != nil {
		return pass.Taken{}, err
	}
	a, err := r.Assemble(ctx)
	if err != nil {
		return pass.Taken{}, err
	}
	c := certificate.New(r.Module, r.Env)
	c.CodeBytes = a.Code
	flash, _ := c.Flash()
	return pass.Taken{Instructions: n, Flash: flash}, nil
}

// Whole is the network of integers that takes all frames of its input: Module itself, or what
// Module is a step of. Of a dump of a step it is the step, as there is nothing else.
func (r *Result) Whole() *ir.Module {
	if r.Module.Streams() && r.whole != nil {
		return r.whole
	}
	return r.Module
}

// Planned reports whether the module has a plan of kernels and memory, which code is
// generated from: whether no pass was left out.
func (r *Result) Planned() bool { return r.Module.Arena.Align > 0 }

// unplanned is the error of a result that no code can be generated from.
func (r *Result) unplanned() error {
	if r.Planned() {
		return nil
	}
	return diag.New(diag.Pos{}, diag.BadValue, "the network has no plan of kernels and memory: its last pass is %q", r.Module.After).
		WithHelp("leave Config.StopAfter (-stop-after) empty")
}

// Assembled is the object of a planned module. Builds, verify, bench and fuzz take it from
// here: what is run is what ships, byte for byte.
type Assembled struct {
	Interface codegen.Interface // with its content and the stack's bound
	Tools     llvm.Tools
	IR        string // LLVM's text of it, large weights left out
	IsWhole   bool   // none were
	Object    []byte
	Code      int // bytes of machine code
}

// Assemble makes the object with LLVM, once.
func (r *Result) Assemble(ctx context.Context) (*Assembled, error) {
	if r.assembled != nil {
		return r.assembled, nil
	}
	if err := r.unplanned(); err != nil {
		return nil, err
	}
	tools, err := llvm.Find(r.Config.LLVM)
	if err != nil {
		return nil, err
	}
	i, err := r.Interface(tools.Version)
	if err != nil {
		return nil, err
	}
	text, err := codegen.Text(r.Module, i, r.Target)
	if err != nil {
		return nil, err
	}
	a := &Assembled{Interface: i, Tools: tools, IR: text.IR, IsWhole: len(text.Beside) == 0}
	if c := r.candidate; c != nil && c.assembled != nil && c.assembled.Interface.Content == i.Content {
		r.assembled, r.counted = c.assembled, c.counted
		return r.assembled, nil
	}
	if a.Object, err = llvm.Object(ctx, tools, text, r.Target); err != nil {
		return nil, err
	}
	if a.Code, err = codeBytes(a.Object); err != nil {
		return nil, err
	}
	if !i.Hooks { // whose stack is the caller's affair
		if a.Interface.Stack, err = stack(a.Object, i.Prefix, r.Module, r.Target); err != nil {
			return nil, err
		}
	}
	r.assembled = a
	return a, nil
}

// stack bounds the stack of the run function, and of the one with threads, whose parts the caller's
// threads run below its frame.
func stack(object []byte, prefix string, m *ir.Module, t *processor.Target) (int, error) {
	most, err := llvm.Stack(object, prefix+"_run", t)
	if err != nil || m.Threads == 0 {
		return most, err
	}
	threads, err := llvm.Stack(object, prefix+"_run_threads", t)
	return max(most, threads), err
}

// Interface is the C interface with its content: the hash that header, certificate and
// object carry, of the planned module, the interface and the version of LLVM ("" of a
// build without LLVM).
func (r *Result) Interface(version string) (codegen.Interface, error) {
	i := r.Config.Interface(r.Module)
	m := *r.Module
	m.Calibrated = "" // the integers say it all
	d, err := frontend.NewDump(&m)
	if err != nil {
		return i, err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n", i.Prefix, version)
	if i.Hooks || i.Lend || i.Section != "" {
		fmt.Fprintf(h, "hooks %v lend %v section %s\n", i.Hooks, i.Lend, i.Section)
	}
	h.Write(d.Text) // names its tensors file by its hash
	i.Content = hex.EncodeToString(h.Sum(nil))
	return i, nil
}

// Object is the object file, by LLVM.
func (r *Result) Object(ctx context.Context) ([]byte, error) {
	a, err := r.Assemble(ctx)
	if err != nil {
		return nil, err
	}
	return a.Object, nil
}

// Header is the C header of the object.
func (r *Result) Header(ctx context.Context) (string, error) {
	a, err := r.Assemble(ctx)
	if err != nil {
		return "", err
	}
	return codegen.Header(r.Module, a.Interface)
}

// C is the network as one portable C file, and its header. It needs no LLVM.
func (r *Result) C() (code, header string, err error) {
	if err := r.unplanned(); err != nil {
		return "", "", err
	}
	i, err := r.Interface("")
	if err != nil {
		return "", "", err
	}
	if code, err = codegen.C(r.Module, i); err != nil {
		return "", "", err
	}
	header, err = codegen.Header(r.Module, i)
	return code, header, err
}

// Dump is the planned module as text of the language, and its tensors file.
func (r *Result) Dump() (*frontend.Dump, error) { return frontend.NewDump(r.Module) }

// Lent is the weights that the caller of the object lends; nothing unless Config.Lend.
func (r *Result) Lent() ([]byte, error) {
	if err := r.unplanned(); err != nil {
		return nil, err
	}
	return codegen.Lent(r.Module, r.Config.Interface(r.Module))
}

// Certificate is the record of the build. With an object it has the object's content and
// sizes, else those of the C file.
func (r *Result) Certificate() (*certificate.Certificate, error) {
	c := certificate.New(r.Module, r.Env)
	c.Warnings = r.Warnings
	if a := r.assembled; a != nil {
		c.LLVM, c.Content, c.CodeBytes, c.StackBytes = a.Tools.Version, a.Interface.Content, a.Code, a.Interface.Stack
		return c, nil
	}
	i, err := r.Interface("")
	c.Content = i.Content
	return c, err
}

// The names of a result's networks.
const (
	Float     = "float"
	Quantized = "quantized"
)

// Networks are the float network and the quantized one of a result, as far as
// there are, with their names.
func (r *Result) Networks() (list []measure.Network, names []string, err error) {
	if r.Float != nil {
		p, err := interp.CompileFloat(r.Float)
		if err != nil {
			return nil, nil, err
		}
		list, names = append(list, p.Results), append(names, Float)
	}
	if r.Module.IsQuantized() {
		p, err := interp.CompileInt(r.Whole())
		if err != nil {
			return nil, nil, err
		}
		list = append(list, func(ctx context.Context, x []float32, n int) ([]float32, error) {
			return interp.Logits(ctx, p, x, n)
		})
		names = append(names, Quantized)
	}
	return list, names, nil
}

// codeBytes is the size of an object's machine code.
func codeBytes(object []byte) (int, error) {
	f, err := elf.NewFile(bytes.NewReader(object))
	if err != nil {
		return 0, err
	}
	n := 0
	for _, s := range f.Sections {
		if s.Flags&elf.SHF_EXECINSTR != 0 {
			n += int(s.Size)
		}
	}
	return n, nil
}

// With is the result with another C interface: change may set Prefix, Hooks, Lend,
// Section and LLVM, which no pass depends on.
func (r *Result) With(change func(c *Config)) *Result {
	other := *r
	other.assembled, other.reference, other.candidate, other.counted = nil, nil, nil, 0
	change(&other.Config)
	return &other
}
