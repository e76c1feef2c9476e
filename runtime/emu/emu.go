// Package emu runs the object of a network, natively or under an emulator, and
// returns the integers that it answers. The program around the object needs no
// C compiler and no libc: a driver in LLVM IR, and a linker.
package emu

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/target"
)

//go:embed driver.ll.tmpl
var driverText string

var driver = template.Must(template.New("driver").Parse(driverText))

// Job is what the driver must know of a network: bytes of its inputs, outputs
// and arena, and the number of its steps. With Trace it runs step by step and
// writes the arena after each.
type Job struct {
	Prefix          string
	Inputs, Outputs []int
	Arena, Align    int
	Steps           int
	Trace           bool
}

// entries are the assembly of each target: _start, and dnnc_io(0|1, p, n),
// which reads standard input or writes standard output.
var entries = map[string][]string{
	"x86_64": {
		".globl _start", "_start: xor %ebp, %ebp", "call dnnc_main", "mov %eax, %edi", "mov $60, %eax", "syscall",
		".globl dnnc_io", "dnnc_io: mov %edi, %eax", "mov %edx, %edx", "syscall", "ret",
	},
	"armv7": {
		".syntax unified", ".arm", ".globl _start", ".type _start, %function", "_start: bl dnnc_main", "mov r7, #1", "svc #0",
		".globl dnnc_io", ".type dnnc_io, %function", "dnnc_io: push {r7, lr}", "add r7, r0, #3", "svc #0", "pop {r7, pc}",
	},
}

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

// Driver prints the driver of a job as LLVM IR. Inputs and outputs lie at odd
// addresses, as the interface promises to take, the arena at no better
// alignment than its own.
func Driver(j Job, t *target.Target) (string, error) {
	asm, ok := entries[t.Name]
	if !ok {
		return "", diag.New(diag.Pos{}, diag.Unsupported, "programs for %s cannot be run here", t.Name)
	}
	data := struct {
		Triple, Prefix, Types, Args string
		Asm                         []string
		BlockBytes                  int
		Inputs, Outputs, Guards     []piece
		Arena                       piece
		Trace                       bool
		Steps                       []int
	}{Triple: t.Triple, Prefix: j.Prefix, Asm: append(append([]string(nil), t.Asm...), asm...), Trace: j.Trace}
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
	for i, n := range j.Inputs {
		data.Inputs = append(data.Inputs, pointer(place(fmt.Sprintf("in%d", i), n, 2, 1)))
	}
	for i, n := range j.Outputs {
		data.Outputs = append(data.Outputs, pointer(place(fmt.Sprintf("out%d", i), n, 2, 1)))
	}
	data.Arena = pointer(place("arena", j.Arena, 64, j.Align))
	data.Guards = append(data.Guards, piece{At: at, Bytes: guard, Bit: GuardBroken})
	data.BlockBytes = at + guard
	data.Types, data.Args = strings.Join(types, ", "), strings.Join(args, ", ")
	for s := range j.Steps {
		data.Steps = append(data.Steps, s)
	}
	var b bytes.Buffer
	err := driver.Execute(&b, data)
	return b.String(), err
}

// Linker returns LLVM's linker.
func Linker() (string, error) {
	for _, name := range []string{"ld.lld-19", "ld.lld-16", "ld.lld-14", "ld.lld"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", diag.New(diag.Pos{}, diag.MissingTool, "LLVM's linker is not installed").WithHelp("on Debian: apt-get install lld-19")
}

// Check reports an emulator that a target needs and that is not installed.
func Check(t *target.Target) error {
	if len(t.Emulator) == 0 {
		return nil
	}
	if _, err := exec.LookPath(t.Emulator[0]); err != nil {
		return diag.New(diag.Pos{}, diag.MissingTool, "%s runs programs for %s and is not installed", t.Emulator[0], t.Name).
			WithHelp("on Debian: apt-get install qemu-user")
	}
	return nil
}

// Program is a linked executable.
type Program struct {
	path string
	job  Job
	t    *target.Target
}

// Link makes a static program of objects in a folder.
func Link(ctx context.Context, dir string, j Job, t *target.Target, objects ...[]byte) (*Program, error) {
	linker, err := Linker()
	if err != nil {
		return nil, err
	}
	p := &Program{filepath.Join(dir, "program"), j, t}
	if j.Trace {
		p.path += "-trace"
	}
	args := []string{"-m", t.LinkMode, "-static", "-o", p.path}
	for i, o := range objects {
		name := fmt.Sprintf("%s%d.o", p.path, i)
		if err := os.WriteFile(name, o, 0o600); err != nil {
			return nil, err
		}
		args = append(args, name)
	}
	_, err = command(ctx, nil, linker, args...)
	return p, err
}

// Result is what the program answered, record by record.
type Result struct {
	Outputs [][]byte   // the outputs, one after the other
	Status  []byte     // 0, or bits of GuardBroken and RunFailed
	Arenas  [][][]byte // in a trace: by record and step
}

// Run feeds input records, each the network's inputs one after the other.
func (p *Program) Run(ctx context.Context, records [][]byte) (*Result, error) {
	name, args := p.path, []string(nil)
	if e := p.t.Emulator; len(e) > 0 {
		if err := Check(p.t); err != nil {
			return nil, err
		}
		name, args = e[0], append(append(args, e[1:]...), p.path)
	}
	out, err := command(ctx, bytes.Join(records, nil), name, args...)
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
	if want := len(records) * (size + trace); len(out) != want {
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
	}
	return r, nil
}

// timeLimit is what one external program may take.
const timeLimit = 10 * time.Minute

func command(ctx context.Context, in []byte, name string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var out, messages bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &messages
	if err := cmd.Run(); err != nil {
		return nil, diag.New(diag.Pos{}, diag.ToolFailed, "%s %s: %v", filepath.Base(name), strings.Join(args, " "), err).
			WithNote("%s", strings.TrimSpace(messages.String()))
	}
	return out.Bytes(), nil
}
