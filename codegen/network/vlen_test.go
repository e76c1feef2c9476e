package network_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/codegen/network"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/runtime/emu"
)

// TestVectorLengths: one object for RISC-V's vectors gives the interpreter's integers on processors
// with registers of several lengths.
func TestVectorLengths(t *testing.T) {
	t.Parallel()
	tools, err := llvm.Find("")
	if err != nil {
		t.Skip(err)
	}
	for _, c := range []struct{ target, emulator, cpu string }{
		{"riscv64+v", "qemu-riscv64", "rv64,v=true,vext_spec=v1.0"},
		{"riscv32+zve32x", "qemu-riscv32", "rv32,v=true,vext_spec=v1.0,elen=32"}, // which traps at lanes of 64 bits
	} {
		known, err := processor.Find(c.target)
		require.NoError(t, err)
		if err := emu.Check(known); err != nil {
			t.Skip(err)
		}
		vectorLengths(t, tools, known, c.emulator, c.cpu)
	}
}

func vectorLengths(t *testing.T, tools llvm.Tools, known *processor.Target, emulator, cpu string) {
	t.Helper()
	for _, format := range []string{"i8", "odd8", "odd3"} {
		m := compiled(t, known, format)
		in, want := cases(t, m, 4)
		p, err := network.Write(m, network.Interface{Prefix: "net"})
		require.NoError(t, err)
		object := func(text string, err error) []byte {
			require.NoError(t, err)
			o, err := llvm.Compile(context.Background(), tools, text, known, "obj")
			require.NoError(t, err)
			return o
		}
		net := object(llvm.Print(p, known))
		job := emu.Job{Prefix: "net", Inputs: []int{len(in[0])}, Outputs: []int{11, 26 * 5 * 3}, Arena: m.Arena.Bytes, Align: m.Arena.Align, Steps: len(m.Ops)}
		main := object(emu.Driver(job, known))
		for _, bits := range []int{128, 256, 512} {
			t.Run(fmt.Sprint(known.Name, " ", format, " ", bits), func(t *testing.T) {
				tgt := *known
				tgt.Runners = []processor.Runner{{Command: []string{emulator, "-cpu", fmt.Sprintf("%s,vlen=%d", cpu, bits)}, Covers: slices.Clone(known.Features)}}
				program, err := emu.Link(context.Background(), t.TempDir(), job, &tgt, main, net)
				require.NoError(t, err)
				got, err := program.Run(context.Background(), in)
				require.NoError(t, err)
				require.Equal(t, make([]byte, len(in)), got.Status)
				require.Equal(t, want, got.Outputs)
			})
		}
	}
}
