// Package codegen makes what a build links of a planned module: LLVM IR, an
// object or assembly, and the C header.
package codegen

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/dnnc/dnnc/codegen/c"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/codegen/network"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/loop"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/ir/quote"
	"github.com/dnnc/dnnc/ir/version"
)

// Interface is the C interface of a build.
type Interface struct {
	Prefix  string // of every symbol and macro
	Content string // the hash that header, certificate and object carry
	Stack   int    // bytes that the run function takes at most; 0 is not known
	Hooks   bool   // the caller's prefix_hook is called before and after each step
	Section string // where the weights lie; "" is with all other constants
	Lend    bool   // the caller lends the weights
}

// written is the loop program of a planned module, with its content hash and its
// versions as strings that a firmware can read back.
func written(m *ir.Module, i Interface) (*loop.Program, error) {
	p, err := network.Write(m, network.Interface{Prefix: i.Prefix, Hooks: i.Hooks, Lend: i.Lend, Tag: tag(i.Content)})
	if err != nil {
		return nil, err
	}
	for _, g := range p.Globals {
		if g.Weights {
			g.Section = i.Section
		}
	}
	copy(p.Lent, i.Content)
	text := func(name, s string) {
		p.Globals = append(p.Globals, &loop.Global{Name: i.Prefix + name, Data: append([]byte(s), 0), Align: 1, Exported: true})
	}
	text("_content", i.Content)
	text("_version", about)
	return p, nil
}

// tag is what a run marks its arena with, beside the arena's address.
func tag(content string) uint64 {
	sum := sha256.Sum256([]byte(content))
	return binary.LittleEndian.Uint64(sum[:])
}

// about is what an object says of who made it.
const about = "dnnc " + version.Compiler + ", C interface " + version.Interface

// Lent is the weights that the caller lends, in one block; nothing unless the
// interface says so.
func Lent(m *ir.Module, i Interface) ([]byte, error) {
	p, err := written(m, i)
	if err != nil {
		return nil, err
	}
	return p.Lent, nil
}

// LLVM prints the textual IR of a planned module.
func LLVM(m *ir.Module, i Interface, t *processor.Target) (string, error) {
	p, err := written(m, i)
	if err != nil {
		return "", err
	}
	return llvm.Print(p, t)
}

// Text is the textual IR of a planned module for llvm.Object: without large weights,
// which lie beside it.
func Text(m *ir.Module, i Interface, t *processor.Target) (llvm.Text, error) {
	p, err := written(m, i)
	if err != nil {
		return llvm.Text{}, err
	}
	return llvm.PrintBeside(p, t)
}

// C prints a planned module as one portable C file.
func C(m *ir.Module, i Interface) (string, error) {
	p, err := written(m, i)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("/* %s, compiled by dnnc. Content %s. */\n%s", quote.CComment(m.Name), i.Content, c.Print(p)), nil
}
