package inspect

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/runtime/certificate"
	"github.com/dnnc/dnnc/runtime/input"
)

// part is what one step of a network takes of flash and stack, in bytes, the stack
// with all that it calls.
type part struct{ weights, constants, code, stack int }

func (p *part) add(q part) {
	p.weights, p.constants, p.code = p.weights+q.weights, p.constants+q.constants, p.code+q.code
	p.stack = max(p.stack, q.stack)
}

func (p part) flash() int { return p.weights + p.constants + p.code }

// stepOf finds the step in a symbol's name, and what of it the symbol is.
var stepOf = regexp.MustCompile(`_layer(\d+)(?:_(.*))?$`)

// Size prints what an object takes of flash, RAM and stack, by step. The
// certificate beside it names the layers and knows the RAM.
func Size(_ context.Context, args []string, _ io.Reader, stdout, _ io.Writer) error {
	raw, err := input.Read(args[0], 4<<30)
	if err != nil {
		return diag.New(diag.Pos{}, diag.BadFile, "%v", err)
	}
	f, err := elf.NewFile(bytes.NewReader(raw))
	if err != nil {
		return diag.New(diag.Pos{File: args[0], Line: 1, Col: 1}, diag.BadFile, "no object: %v", err)
	}
	tgt := &processor.Target{}
	c, absent := beside(args[0], raw)
	if c != nil {
		if tgt, err = processor.Find(c.Target); err != nil {
			return err
		}
	}
	steps, rest, prefix, err := parts(f, raw, tgt)
	if err != nil {
		return diag.New(diag.Pos{File: args[0], Line: 1, Col: 1}, diag.BadFile, "%v", err)
	}
	w := table(stdout)
	fmt.Fprint(w, "step\tlayer\tweights\tconstants\tcode\tflash\tstack\t\n")
	var all part
	named := 0 // layers of the certificate so far: those with weights
	for i, s := range steps {
		name := "-"
		if s.weights > 0 && c != nil && named < len(c.Layers) {
			name = c.Layers[named].Name
			named++
		}
		fmt.Fprintf(w, "%d\t%s\t%d\t%d\t%d\t%d\t%d\t\n", i, name, s.weights, s.constants, s.code, s.flash(), s.stack)
		all.add(s)
	}
	fmt.Fprintf(w, "\trun, step\t%d\t%d\t%d\t%d\t%d\t\n", rest.weights, rest.constants, rest.code, rest.flash(), rest.stack)
	stack := rest.stack // the steps that it calls included
	all.add(rest)
	fmt.Fprintf(w, "\tall\t%d\t%d\t%d\t%d\t%d\t\n", all.weights, all.constants, all.code, all.flash(), stack)
	w.Flush()
	switch {
	case c != nil:
		fmt.Fprintf(stdout, "RAM: an arena of %d bytes, and at most %d of stack\n", c.ArenaBytes, stack)
		if c.Stream != nil {
			fmt.Fprintln(stdout, c.Stream)
		}
		if c.Rows != nil {
			fmt.Fprintln(stdout, c.Rows)
		}
		if c.Threads != nil {
			fmt.Fprintln(stdout, c.Threads)
		}
	default:
		fmt.Fprintf(stdout, "RAM: see %s_ARENA_BYTES in the header; at most %d of stack. No certificate of this object lies beside it: %s\n", strings.ToUpper(prefix), stack, absent)
	}
	return nil
}

// beside is the certificate of an object; nil where there is none, and absent says why.
func beside(path string, object []byte) (c *certificate.Certificate, absent string) {
	path = strings.TrimSuffix(path, filepath.Ext(path)) + ".json"
	c, err := open(path, diag.BadFile)
	var d *diag.Diagnostic
	switch {
	case errors.As(err, &d):
		return nil, d.Message
	case !bytes.Contains(object, []byte(c.Content)):
		return nil, filepath.Base(path) + " is of another object"
	}
	return c, ""
}

// parts adds up an object's symbols by step; rest is what runs the steps.
func parts(f *elf.File, object []byte, t *processor.Target) (steps []part, rest part, prefix string, err error) {
	symbols, err := f.Symbols()
	if err != nil {
		return nil, rest, "", err
	}
	var frames *llvm.Frames // nil where they are not known
	if llvm.HasFrames(t) {
		if frames, err = llvm.ReadFrames(object); err != nil {
			return nil, rest, "", err
		}
	}
	for _, s := range symbols {
		kind := elf.ST_TYPE(s.Info)
		if s.Size == 0 || kind != elf.STT_FUNC && kind != elf.STT_OBJECT {
			continue
		}
		if s.Size > uint64(len(object)) {
			return nil, rest, "", fmt.Errorf("the symbol %s has %d bytes, more than the file", s.Name, s.Size)
		}
		p := &rest
		match := stepOf.FindStringSubmatch(s.Name)
		if match != nil {
			i, err := strconv.Atoi(match[1])
			if err != nil || i > len(symbols) {
				return nil, rest, "", fmt.Errorf("the symbol %s", s.Name)
			}
			for len(steps) <= i {
				steps = append(steps, part{})
			}
			p = &steps[i]
		}
		switch {
		case kind == elf.STT_FUNC:
			p.code += int(s.Size)
			if frames == nil {
				break
			}
			stack, err := frames.Stack(s.Name)
			if err != nil {
				return nil, rest, "", err
			}
			p.stack = max(p.stack, stack)
		case match != nil && strings.HasPrefix(match[2], "weight"):
			p.weights += int(s.Size)
		default:
			p.constants += int(s.Size)
		}
		if name, is := strings.CutSuffix(s.Name, "_run"); is && kind == elf.STT_FUNC {
			prefix = name
		}
	}
	if prefix == "" {
		return nil, rest, "", errors.New("no object of dnnc: it has no function NAME_run")
	}
	return steps, rest, prefix, nil
}
