// Package emu runs the object of a network, natively or under an emulator, and
// returns the integers that it answers. The program around the object needs no
// C compiler and no libc: a driver in LLVM IR, and a linker.
package emu

import (
	"bytes"
	"context"
	"debug/elf"
	_ "embed"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/template"
	"time"

	"golang.org/x/sys/cpu"

	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/processor"
)

//go:embed driver.ll.tmpl
var driverText string

var driver = template.Must(template.New("driver").Parse(driverText))

// Job is what the driver must know of a network: bytes of its inputs, outputs
// and arena, and the number of its steps. With Trace it runs step by step and
// writes the arena after each; with Mark it runs step by step, then as a whole,
// and marks where each begins and ends, for Count; with Stepped it begins a run and
// steps until it is over, and once more, which must fail: the arena is then the
// larger one. With Threads and Mark it runs as a whole alone, and marks the parts.
type Job struct {
	Prefix          string
	Inputs, Outputs []int
	Arena, Align    int
	Steps           int
	Trace, Mark     bool
	Stepped         bool
	Threads         bool   // the run function with threads, whose parts run from the last to the first
	Lent            []byte // weights that the driver lends
	Hooks           bool   // the object calls prefix_hook
	Aligned         bool   // inputs and outputs lie at multiples of 8, as values in the arena do
	// States is the bytes at the beginning of the arena that stay from run to run, of a network
	// that streams; Every the runs of a stream, before each of which the arena is reset.
	States, Every int
	// Row is the bytes of a row of the one input, where the object asks for rows: the driver's
	// function gives them, and a run that does not ask for all of them fails. With Mark it gives
	// nothing and returns, so that counts are those of the object and two instructions a row.
	Row int
	// Stack is the bytes below the caller's stack that are painted before a run,
	// to see how many it takes; 0 for none.
	Stack int
}

// Margin is the bytes of the stack that are not painted: the painter's own. A run that
// takes less looks as if it took as much.
const Margin = 64

// GiverStack is more than the driver's function that gives rows takes of the stack.
const GiverStack = 64

// guard is the bytes before and after each piece of memory that must stay as
// they are.
const guard = 64

// The bits of a record's status.
const (
	GuardBroken = 1 // memory around the arena, an input or an output was written
	RunFailed   = 4 // the run function did not return 0
)

type piece struct {
	Name      string
	At, Bytes int
	Bit       int
}

// Driver prints the driver of a job as LLVM IR. Unless the job has them aligned, inputs
// and outputs lie at odd addresses, as the interface promises to take, the arena at no
// better alignment than its own.
func Driver(j Job, t *processor.Target) (string, error) {
	asm, ok := entries[t.Arch]
	if len(t.Runners) > 0 && t.Runners[0].Board != nil {
		asm, ok = semihosted, true
	}
	if !ok {
		return "", diag.New(diag.Pos{}, diag.Unsupported, "programs for %s cannot be run here", t.Name)
	}
	data := struct {
		Triple, Prefix, Types, Args string
		Asm                         []string
		BlockBytes                  int
		Inputs, Outputs, Guards     []piece
		Arena                       piece
		Trace, Mark                 bool
		Steps                       []int
		Stack, Deep, Margin         int
		Lent                        string
		LentBytes                   int
		Hooks, Stepped, Threads     bool
		States, Every, TailBytes    int
		Row                         int
	}{Row: j.Row, States: j.States, Every: max(j.Every, 1), Hooks: j.Hooks, Stepped: j.Stepped, Threads: j.Threads, Triple: t.Triple, Prefix: j.Prefix, Trace: j.Trace, Mark: j.Mark, Stack: j.Stack, Deep: j.Stack + Margin, Margin: Margin}
	for _, line := range slices.Concat(t.Asm, asm) {
		data.Asm = append(data.Asm, strings.ReplaceAll(line, `"`, `\22`))
	}
	at := 0
	place := func(name string, bytes, align, offset int) piece {
		start := at
		at = (at+guard+align-1)/align*align + offset
		data.Guards = append(data.Guards, piece{At: start, Bytes: at - start, Bit: GuardBroken})
		p := piece{Name: name, At: at, Bytes: bytes}
		at += bytes
		return p
	}
	var types, args []string
	pointer := func(p piece) piece {
		types, args = append(types, "i8*"), append(args, "i8* %"+p.Name)
		return p
	}
	unit, beyond := 2, 1
	if j.Aligned {
		unit, beyond = 8, 0
	}
	for i, n := range j.Inputs {
		data.Inputs = append(data.Inputs, pointer(place(fmt.Sprintf("in%d", i), n, unit, beyond)))
	}
	if j.Row > 0 {
		args[0] = "i8* %giver"
	}
	for i, n := range j.Outputs {
		data.Outputs = append(data.Outputs, pointer(place(fmt.Sprintf("out%d", i), n, unit, beyond)))
	}
	if len(j.Lent) > 0 {
		data.Lent, data.LentBytes = quoted(j.Lent), len(j.Lent)
		types, args = append(types, "i8*"), append(args, "i8* %weights")
	}
	data.Arena = pointer(place("arena", j.Arena, 64, j.Align))
	data.Guards = append(data.Guards, piece{At: at, Bytes: guard, Bit: GuardBroken})
	data.BlockBytes = at + guard
	data.TailBytes = data.BlockBytes - data.Arena.At - j.States
	data.Types, data.Args = strings.Join(types, ", "), strings.Join(args, ", ")
	for s := range j.Steps {
		data.Steps = append(data.Steps, s)
	}
	var b bytes.Buffer
	err := driver.Execute(&b, data)
	return b.String(), err
}

// quoted is bytes as LLVM's text has them.
func quoted(data []byte) string {
	var b strings.Builder
	for _, v := range data {
		fmt.Fprintf(&b, `\%02X`, v)
	}
	return b.String()
}

// Check reports an emulator that a target needs and that is not installed.
func Check(t *processor.Target) error {
	_, err := runner(t, 0, 0)
	return err
}

// Command is what runs Linux programs of a target: an emulator and its flags, or
// nothing on such a machine itself. It is nothing, too, where nothing runs them.
func Command(t *processor.Target) []string {
	if r, err := runner(t, 0, 0); err == nil && r != nil {
		return r.Command
	}
	return nil
}

// Describe says what runs a target's programs here.
func Describe(t *processor.Target) string {
	if native(t) {
		return "this machine"
	}
	r := t.Runner(0, 0)
	if r == nil {
		return "nothing here: a machine that has it is needed"
	}
	text := strings.Join(r.Command, " ")
	if _, err := exec.LookPath(r.Command[0]); err != nil {
		text += " (not installed)"
	}
	return text
}

// runner is what runs programs of a size; nil is this machine itself.
func runner(t *processor.Target, flash, ram int) (*processor.Runner, error) {
	if native(t) {
		return nil, nil
	}
	r := t.Runner(flash, ram)
	if r == nil {
		if t.Runner(0, 0) != nil {
			return nil, diag.New(diag.Pos{}, diag.Unsupported, "no emulated machine of %s has room for %d bytes of code and constants and %d of memory", t.Name, flash, ram)
		}
		return nil, diag.New(diag.Pos{}, diag.Unsupported, "no emulator here knows all of %s, and this machine does not either", t.Name)
	}
	if _, err := exec.LookPath(r.Command[0]); err != nil {
		of := "qemu-user"
		if r.Board != nil {
			of = "qemu-system-arm"
		}
		return nil, diag.New(diag.Pos{}, diag.MissingTool, "%s runs programs for %s and is not installed", r.Command[0], t.Name).
			WithHelp("on Debian: apt-get install %s", of)
	}
	return r, nil
}

// native reports whether this machine runs programs of a target itself.
func native(t *processor.Target) bool {
	if runtime.GOOS != "linux" {
		return false
	}
	var has map[string]bool
	switch {
	case t.Arch == "x86_64" && runtime.GOARCH == "amd64":
		x := cpu.X86
		has = map[string]bool{"sse4.1": x.HasSSE41, "avx2": x.HasAVX2, "avx512vl": x.HasAVX512VL, "avx512vnni": x.HasAVX512VNNI, "avxvnni": x.HasAVXVNNI}
	case t.Arch == "aarch64" && runtime.GOARCH == "arm64":
		a := cpu.ARM64
		has = map[string]bool{"neon": a.HasASIMD, "dotprod": a.HasASIMDDP, "i8mm": a.HasI8MM}
	default:
		return false
	}
	return !slices.ContainsFunc(t.Features, func(f string) bool { return !has[f] })
}

// Program is a linked executable.
type Program struct {
	path   string
	job    Job
	runner *processor.Runner // nil: this machine
}

// stackRoom is the bytes of a board's memory that the program's own data leave
// free, besides what is painted.
const stackRoom = 1 << 10

// Link makes a static program of objects in a folder.
func Link(ctx context.Context, dir string, j Job, t *processor.Target, objects ...[]byte) (*Program, error) {
	linker, err := llvm.Linker()
	if err != nil {
		return nil, err
	}
	p := &Program{path: filepath.Join(dir, "program"), job: j}
	if j.Trace {
		p.path += "-trace"
	}
	if j.Mark {
		p.path += "-mark"
	}
	if j.Stepped {
		p.path += "-stepped"
	}
	if j.Threads {
		p.path += "-threads"
	}
	code, constants, data, err := sizes(objects)
	if err != nil {
		return nil, err
	}
	memory := data + stackRoom + j.Stack
	if p.runner, err = runner(t, code+constants, memory); err != nil {
		return nil, err
	}
	if j.Mark {
		p.runner = t.Runner(code+constants, memory) // also on such a machine
	}
	args := []string{"-m", t.LinkMode, "-static", "-o", p.path}
	if p.runner != nil && p.runner.Board != nil {
		if err := os.WriteFile(p.path+".ld", []byte(script(p.runner.Board, constants)), 0o600); err != nil {
			return nil, err
		}
		args = append(args, "-T", p.path+".ld")
	}
	for i, o := range objects {
		name := fmt.Sprintf("%s%d.o", p.path, i)
		if err := os.WriteFile(name, o, 0o600); err != nil {
			return nil, err
		}
		args = append(args, name)
	}
	_, _, err = command(ctx, dir, nil, linker[0], append(linker[1:], args...)...)
	return p, err
}

// sizes adds up what objects hold.
func sizes(objects [][]byte) (code, constants, data int, err error) {
	for _, o := range objects {
		f, err := elf.NewFile(bytes.NewReader(o))
		if err != nil {
			return 0, 0, 0, err
		}
		for _, s := range f.Sections {
			switch {
			case s.Flags&elf.SHF_ALLOC == 0:
			case s.Flags&elf.SHF_EXECINSTR != 0:
				code += int(s.Size)
			case s.Flags&elf.SHF_WRITE != 0:
				data += int(s.Size)
			default:
				constants += int(s.Size)
			}
		}
	}
	return code, constants, data, nil
}

// Result is what the program answered, record by record.
type Result struct {
	Outputs [][]byte   // the outputs, one after the other
	Status  []byte     // 0, or bits of GuardBroken and RunFailed
	Arenas  [][][]byte // in a trace: by record and step
	Stack   []int      // where it was painted: the bytes that a run took, Margin at least
}

// Run feeds input records, each the network's inputs one after the other.
func (p *Program) Run(ctx context.Context, records [][]byte) (*Result, error) {
	out, _, err := p.execute(ctx, bytes.Join(records, nil))
	if err != nil {
		return nil, err
	}
	size := 1
	for _, n := range p.job.Outputs {
		size += n
	}
	trace := 0
	if p.job.Trace {
		trace = p.job.Steps * p.job.Arena
	}
	after := 0
	if p.job.Stack > 0 && !p.job.Trace {
		after = 4
	}
	if want := len(records) * (size + trace + after); len(out) != want {
		return nil, diag.New(diag.Pos{}, diag.ToolFailed, "the program wrote %d bytes for %d inputs, not %d", len(out), len(records), want)
	}
	r := &Result{}
	for range records {
		if p.job.Trace {
			var arenas [][]byte
			for range p.job.Steps {
				arenas, out = append(arenas, out[:p.job.Arena]), out[p.job.Arena:]
			}
			r.Arenas = append(r.Arenas, arenas)
		}
		r.Outputs, r.Status = append(r.Outputs, out[:size-1]), append(r.Status, out[size-1])
		out = out[size:]
		if after > 0 {
			r.Stack = append(r.Stack, int(binary.LittleEndian.Uint32(out)))
			out = out[after:]
		}
	}
	return r, nil
}

// quiet keeps QEMU's machines to the program's own input and output.
var quiet = []string{"-display", "none", "-monitor", "none", "-serial", "none", "-semihosting-config", "enable=on,target=native"}

// execute runs the program on input, the emulator with further flags, and returns
// what it writes, a Linux program through its standard streams, a board's through
// two files; and the emulator's messages.
func (p *Program) execute(ctx context.Context, in []byte, flags ...string) (out []byte, messages string, err error) {
	dir := filepath.Dir(p.path)
	if p.runner == nil {
		return command(ctx, dir, in, p.path)
	}
	e := p.runner.Command
	if p.runner.Board == nil {
		return command(ctx, dir, in, e[0], slices.Concat(e[1:], flags, []string{p.path})...)
	}
	if err := os.WriteFile(filepath.Join(dir, inputFile), in, 0o600); err != nil {
		return nil, "", err
	}
	if _, messages, err = command(ctx, dir, nil, e[0], slices.Concat(e[1:], quiet, flags, []string{"-kernel", p.path})...); err != nil {
		return nil, "", err
	}
	out, err = os.ReadFile(filepath.Join(dir, outputFile))
	return out, messages, err
}

// timeLimit is what one external program may take.
const timeLimit = 10 * time.Minute

func command(ctx context.Context, dir string, in []byte, name string, args ...string) ([]byte, string, error) {
	limited, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	cmd := exec.CommandContext(limited, name, args...)
	var out, messages bytes.Buffer
	cmd.Dir = dir
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &messages
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, "", ctx.Err()
		}
		return nil, "", diag.New(diag.Pos{}, diag.ToolFailed, "%s %s: %v", filepath.Base(name), strings.Join(args, " "), err).
			WithNote("%s", strings.TrimSpace(messages.String()))
	}
	return out.Bytes(), messages.String(), nil
}
