// Package codegen makes what a build links of a planned module: LLVM IR, an
// object or assembly, and the C header.
package codegen

import (
	"fmt"
	"strings"

	"github.com/dnnc/dnnc/codegen/c"
	"github.com/dnnc/dnnc/codegen/kernel"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/codegen/loop"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/target"
)

// Interface names the C interface of a build.
type Interface struct {
	Prefix  string // of every symbol and macro
	Content string // the hash that header, certificate and object carry
	Stack   int    // bytes that the run function takes at most; 0 is not known
}

// program is the loop program of a planned module, with its content hash as a
// string that a firmware can read back.
func program(m *ir.Module, i Interface) (*loop.Program, error) {
	p, err := kernel.Program(m, i.Prefix)
	if err != nil {
		return nil, err
	}
	p.Globals = append(p.Globals, &loop.Global{Name: i.Prefix + "_content", Data: append([]byte(i.Content), 0), Align: 1, Exported: true})
	return p, nil
}

// LLVM prints the textual IR of a planned module.
func LLVM(m *ir.Module, i Interface, t *target.Target) (string, error) {
	p, err := program(m, i)
	if err != nil {
		return "", err
	}
	return llvm.Print(p, t)
}

// C prints a planned module as one portable C file.
func C(m *ir.Module, i Interface) (string, error) {
	p, err := program(m, i)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("/* %s, compiled by dnnc. Content %s. */\n%s", m.Name, i.Content, c.Print(p)), nil
}

// Header is the C interface: one pointer for each input and output, in
// declaration order, and the arena that the caller lends. Images lie in
// H,W,C order.
func Header(m *ir.Module, i Interface) string {
	prefix := i.Prefix
	up := strings.ToUpper(prefix)
	var b strings.Builder
	fmt.Fprintf(&b, "/* %s, compiled by dnnc. Images lie in height, width, channel order. */\n", m.Name)
	fmt.Fprintf(&b, "#ifndef %s_H\n#define %s_H\n#include <stdint.h>\n", up, up)
	b.WriteString("#ifdef __cplusplus\nextern \"C\" {\n#endif\n")
	fmt.Fprintf(&b, "#define %s_ARENA_BYTES %d\n#define %s_ARENA_ALIGN %d\n#define %s_STEPS %d\n", up, m.Arena.Bytes, up, m.Arena.Align, up, len(m.Ops))
	if i.Stack > 0 {
		fmt.Fprintf(&b, "/* What %s_run takes of the stack at most. */\n#define %s_STACK_BYTES %d\n", prefix, up, i.Stack)
	}
	fmt.Fprintf(&b, "/* The content hash, also in the certificate and the object. */\n#define %s_CONTENT \"%s\"\nextern const uint8_t %s_content[%d];\n", up, i.Content, prefix, len(i.Content)+1)
	var params []string
	describe := func(values []*ir.Value, role, qualifier string) {
		for i, v := range values {
			name := fmt.Sprintf("%s_%s", up, role)
			if len(values) > 1 {
				name = fmt.Sprintf("%s%d", name, i)
			}
			fmt.Fprintf(&b, "#define %s_BYTES %d /* %s */\n", name, v.Type.Shape.Size(), v.Type)
			fmt.Fprintf(&b, "#define %s_SCALE %sf\n#define %s_ZERO (%d)\n", name, decimal(v.Type.Quant.Scale), name, v.Type.Quant.Zero)
			params = append(params, fmt.Sprintf("%sint8_t *%s", qualifier, v.Name))
		}
	}
	describe(m.Inputs, "INPUT", "const ")
	describe(m.Outputs, "OUTPUT", "")
	list := strings.ReplaceAll(strings.Join(params, ", "), ".", "_") + ", void *arena"
	fmt.Fprintf(&b, "/* Runs the network; 0 is success. The arena needs no initial contents. */\nint %s_run(%s);\n", prefix, list)
	fmt.Fprintf(&b, "/* Runs one step of %s_STEPS; 1 for a step that does not exist. */\nint %s_step(int32_t step, %s);\n", up, prefix, list)
	b.WriteString("#ifdef __cplusplus\n}\n#endif\n#endif\n")
	return b.String()
}

// decimal is a C floating constant.
func decimal(x float64) string {
	s := ir.FormatFloat(x)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}
