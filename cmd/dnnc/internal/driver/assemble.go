package driver

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"fmt"

	"github.com/dnnc/dnnc/codegen"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/ir"
)

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

// Assemble makes the object that a build ships.
func Assemble(ctx context.Context, o Options, r *Result) (*Assembled, error) {
	tools, err := llvm.Find(o.LLVM)
	if err != nil {
		return nil, err
	}
	i := o.Interface(o.prefix(r.Module))
	if i.Content, err = content(i, r.Module, tools.Version); err != nil {
		return nil, err
	}
	return assemble(ctx, r, i, tools)
}

func assemble(ctx context.Context, r *Result, i codegen.Interface, tools llvm.Tools) (*Assembled, error) {
	text, err := codegen.Text(r.Module, i, r.Target)
	if err != nil {
		return nil, err
	}
	a := &Assembled{Interface: i, Tools: tools, IR: text.IR, IsWhole: len(text.Beside) == 0}
	if a.Object, err = llvm.Object(ctx, tools, text, r.Target); err != nil {
		return nil, err
	}
	if a.Code, err = codeBytes(a.Object); err != nil {
		return nil, err
	}
	if !i.Hooks { // whose stack is the caller's affair
		a.Interface.Stack, err = llvm.Stack(a.Object, i.Prefix+"_run", r.Target)
	}
	return a, err
}

// prefix is that of every symbol.
func (o *Options) prefix(m *ir.Module) string { return cmp.Or(o.Prefix, m.Name) }

// content is the hash that header, certificate and object carry: of the planned module,
// its C interface and the version of LLVM, "" of a build without it.
func content(i codegen.Interface, m *ir.Module, version string) (string, error) {
	d, err := frontend.NewDump(m)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n", i.Prefix, version)
	if i.Hooks || i.Lend || i.Section != "" {
		fmt.Fprintf(h, "hooks %v lend %v section %s\n", i.Hooks, i.Lend, i.Section)
	}
	h.Write(d.Text) // names its tensors file by its hash
	return hex.EncodeToString(h.Sum(nil)), nil
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
