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
	known, err := processor.Find("riscv64+v")
	require.NoError(t, err)
	if err := emu.Check(known); err != nil {
		t.Skip(err)
	}
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
			t.Run(fmt.Sprint(format, " ", bits), func(t *testing.T) {
				tgt := *known
				tgt.Runners = []processor.Runner{{Command: []string{"qemu-riscv64", "-cpu", fmt.Sprintf("rv64,v=true,vext_spec=v1.0,vlen=%d", bits)}, Covers: slices.Clone(known.Features)}}
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
