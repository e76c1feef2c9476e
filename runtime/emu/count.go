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
	per := p.job.Steps + 4
	at, err := p.marks(ctx, records, per)
	if err != nil {
		return nil, err
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

// CountParts runs records under the emulator and counts the instructions of the run function with
// threads: of all parts, and of the longest path, which has the longest part of each step that is
// divided. parts are the numbers of parts of these steps. The job must be one of Mark and Threads.
func (p *Program) CountParts(ctx context.Context, records [][]byte, parts []int) (all, longest []int, err error) {
	per := 4
	for _, n := range parts {
		per += n + 1
	}
	at, err := p.marks(ctx, records, per)
	if err != nil {
		return nil, nil, err
	}
	for i := range records {
		m := at[i*per:]
		cost := m[1] - m[0]
		run := m[per-1] - m[2] - (per-3)*cost
		path, next := run, 3
		for _, n := range parts {
			most := 0
			for range n {
				own := m[next+1] - m[next] - cost
				path, most, next = path-own, max(most, own), next+1
			}
			path, next = path+most, next+1
		}
		all, longest = append(all, run), append(longest, path)
	}
	return all, longest, nil
}

// marks runs records under the emulator, each of which makes so many marks, and returns the numbers
// of instructions at them.
func (p *Program) marks(ctx context.Context, records [][]byte, per int) ([]int, error) {
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
	// A record marks twice for the cost of a mark, then where something begins and ends.
	if len(at) != len(records)*per+1 {
		return nil, diag.New(diag.Pos{}, diag.ToolFailed, "the emulator's counter wrote %d counts, not %d", len(at), len(records)*per+1)
	}
	return at, nil
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
