package emu

import (
	"context"
	"debug/elf"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/dnnc/dnnc/ir/diag"
)

//go:embed plugin/insn.c
var pluginText []byte

// markName is the function between whose calls instructions are counted.
const markName = "dnnc_mark"

// Counts are the instructions of one record.
type Counts struct {
	Steps []int // of each step, its call included
	Run   int   // of the run function
}

// Count runs records under the emulator and counts their instructions. The job
// must be one of Mark.
func (p *Program) Count(ctx context.Context, records [][]byte) ([]Counts, error) {
	if p.runner == nil {
		return nil, diag.New(diag.Pos{}, diag.Unsupported, "no emulator here runs programs for this target: nothing counts their instructions")
	}
	plugin, err := Counter(ctx, filepath.Dir(p.path))
	if err != nil {
		return nil, err
	}
	mark, err := symbol(p.path, markName)
	if err != nil {
		return nil, err
	}
	flags := []string{"-plugin", fmt.Sprintf("%s,mark=%#x", plugin, mark), "-d", "plugin"}
	in := []byte{}
	for _, r := range records {
		in = append(in, r...)
	}
	_, messages, err := p.execute(ctx, in, flags...)
	if err != nil {
		return nil, err
	}
	at, err := Counted(messages)
	if err != nil {
		return nil, err
	}
	// A record marks twice for the cost of a mark, after every step, and before
	// and after the run.
	per := p.job.Steps + 4
	if len(at) != len(records)*per+1 {
		return nil, diag.New(diag.Pos{}, diag.ToolFailed, "the emulator's counter wrote %d counts, not %d", len(at), len(records)*per+1)
	}
	var all []Counts
	for i := range records {
		m := at[i*per:]
		cost := m[1] - m[0]
		var c Counts
		for s := range p.job.Steps {
			c.Steps = append(c.Steps, m[s+2]-m[s+1]-cost)
		}
		c.Run = m[p.job.Steps+3] - m[p.job.Steps+2] - cost
		all = append(all, c)
	}
	return all, nil
}

// Counter compiles the plugin that counts instructions into a folder, and returns its
// path.
func Counter(ctx context.Context, dir string) (string, error) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		return "", diag.New(diag.Pos{}, diag.MissingTool, "the emulator's counter needs a C compiler of this machine").
			WithHelp("on Debian: apt-get install gcc libc6-dev")
	}
	source, plugin := filepath.Join(dir, "insn.c"), filepath.Join(dir, "insn.so")
	if err := os.WriteFile(source, pluginText, 0o600); err != nil {
		return "", err
	}
	_, _, err = command(ctx, dir, nil, cc, "-O2", "-shared", "-fPIC", "-o", plugin, source)
	return plugin, err
}

// Counted are the numbers of instructions so far that the plugin of Counter wrote among
// an emulator's messages: one at each mark, and one at the end.
func Counted(messages string) (at []int, err error) {
	for _, line := range strings.Split(messages, "\n") {
		if n, ok := strings.CutPrefix(line, "instructions "); ok {
			x, err := strconv.Atoi(n)
			if err != nil {
				return nil, diag.New(diag.Pos{}, diag.ToolFailed, "the emulator's counter wrote %q", line)
			}
			at = append(at, x)
		}
	}
	return at, nil
}

// symbol is the address of a function in a program, without Thumb's bit.
func symbol(path, name string) (uint64, error) {
	f, err := elf.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		return 0, err
	}
	for _, s := range symbols {
		if s.Name == name {
			if f.Machine == elf.EM_ARM {
				return s.Value &^ 1, nil
			}
			return s.Value, nil
		}
	}
	return 0, fmt.Errorf("emu: no symbol %s", name)
}
