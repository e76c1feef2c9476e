package llvm

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"

	"github.com/dnnc/dnnc/ir/loop"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/runtime/input"
)

// Text is a program as LLVM's tools read it, without large weights: they only know
// the sizes of these, and the object gets the bytes afterwards. A hundred million
// weights as text would take a gigabyte in each of the tools.
type Text struct {
	IR     string
	Beside []*loop.Global
}

// Weights of this many bytes in all lie beside the text, but for pieces of a few.
const (
	besideFrom = 4 << 20
	fewBytes   = 4 << 10
)

// beside lists the weights of a program that its text leaves out.
func beside(p *loop.Program) (list []*loop.Global) {
	sum := 0
	for _, g := range p.Globals {
		if g.Weights && len(g.Data) >= fewBytes {
			list, sum = append(list, g), sum+len(g.Data)
		}
	}
	if sum < besideFrom {
		return nil
	}
	return list
}

// PrintBeside is Print without large weights.
func PrintBeside(p *loop.Program, t *processor.Target) (Text, error) {
	list := beside(p)
	text, err := printWithout(p, t, list)
	return Text{text, list}, err
}

// reserved is the assembly of a global whose bytes come later: a local symbol in the
// section that LLVM would put the data in, with room.
func reserved(g *loop.Global) []string {
	section := g.Section
	if section == "" {
		section = ".rodata." + g.Name
	}
	return []string{
		fmt.Sprintf(".section %s,\"a\",%%progbits", section),
		fmt.Sprintf(".balign %d", max(g.Align, 1)),
		fmt.Sprintf(".type %s, %%object", g.Name),
		fmt.Sprintf("%s:", g.Name),
		fmt.Sprintf(".zero %d", len(g.Data)),
		fmt.Sprintf(".size %s, %d", g.Name, len(g.Data)),
	}
}

// Object makes the object of a text. One with weights beside it is a file that is
// mapped into memory, and has no name any more.
func Object(ctx context.Context, tools Tools, text Text, t *processor.Target) ([]byte, error) {
	if len(text.Beside) == 0 {
		return Compile(ctx, tools, text.IR, t, object)
	}
	better, err := optimized(ctx, tools, text.IR, t)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "dnnc-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "object.o")
	_, code, err := complete(better, t, func(text []byte) ([]byte, error) {
		if _, err := tools.generate(ctx, text, t, object, path); err != nil {
			return nil, err
		}
		return input.Map(path)
	})
	if err != nil {
		return nil, err
	}
	if err := fill(path, code, text.Beside); err != nil {
		return nil, err
	}
	return input.Map(path)
}

// fill writes the bytes of data into the object at path.
func fill(path string, object []byte, data []*loop.Global) error {
	o, err := elf.NewFile(bytes.NewReader(object))
	if err != nil {
		return err
	}
	symbols, err := o.Symbols()
	if err != nil {
		return err
	}
	places := map[string]int64{}
	for _, s := range symbols {
		if int(s.Section) < len(o.Sections) && s.Section != elf.SHN_UNDEF {
			places[s.Name] = int64(o.Sections[s.Section].Offset + s.Value)
		}
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	for _, g := range data {
		at, ok := places[g.Name]
		if !ok {
			f.Close()
			return fmt.Errorf("llvm: the object has no %s", g.Name)
		}
		if _, err := f.WriteAt(g.Data, at); err != nil {
			f.Close()
			return err
		}
	}
	return f.Close()
}
