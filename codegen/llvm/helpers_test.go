package llvm_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/ir/loop"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/runtime/emu"
)

// numbers reach for the limits of 32 bits and of shifts.
var numbers = []int32{0, 1, -1, 2, 7, 31, 32, 33, 63, -128, 127, 255, 65535, 65536, -65537, 1 << 30, 0x12345678, -0x12345679, math.MaxInt32, math.MinInt32}

// TestHelpers computes what a processor has no instruction for, on those that have
// the fewest, for all pairs of numbers.
func TestHelpers(t *testing.T) {
	tools, err := llvm.Find("")
	if err != nil {
		t.Skip(err)
	}
	f := &loop.Func{Name: "net_run"}
	in, out, arena := &loop.Param{Name: "in", Constant: true}, &loop.Param{Name: "out"}, &loop.Param{Name: "arena"}
	f.Params = []*loop.Param{in, out, arena}
	b := loop.NewBuilder(f)
	read := func(at int) loop.Expr { return &loop.Load{From: in, Offset: loop.Int(at), T: loop.I32} }
	wide := func(at int) loop.Expr { return loop.To(loop.SExt, read(at), 64) }
	n := loop.Op(loop.And, loop.To(loop.ZExt, read(4), 64), loop.Num(loop.I64, 63))
	product := loop.Op(loop.Mul, wide(0), wide(4))
	divisor := loop.Op(loop.Or, read(4), loop.Int(1))
	type result struct {
		e    loop.Expr
		want func(x, y int32) int64
	}
	results := []result{
		{product, func(x, y int32) int64 { return int64(x) * int64(y) }},
		{loop.Op(loop.Mul, product, product), func(x, y int32) int64 { return int64(x) * int64(y) * int64(x) * int64(y) }},
		{loop.Op(loop.Shl, product, n), func(x, y int32) int64 { return int64(x) * int64(y) << (y & 63) }},
		{loop.Op(loop.LShr, product, n), func(x, y int32) int64 { return int64(uint64(int64(x)*int64(y)) >> (y & 63)) }},
		{loop.Op(loop.AShr, product, n), func(x, y int32) int64 { return int64(x) * int64(y) >> (y & 63) }},
		{loop.To(loop.SExt, loop.Op(loop.Mul, read(0), read(4)), 64), func(x, y int32) int64 { return int64(x * y) }},
		{loop.To(loop.SExt, loop.Op(loop.SDiv, read(0), divisor), 64), func(x, y int32) int64 { return int64(x / (y | 1)) }},
		{loop.To(loop.ZExt, loop.Op(loop.UDiv, read(0), divisor), 64), func(x, y int32) int64 { return int64(uint32(x) / uint32(y|1)) }},
		{loop.To(loop.SExt, loop.Clamp(loop.Op(loop.AShr, read(0), loop.Int(1)), -128, 127), 64), func(x, y int32) int64 { return min(max(int64(x)>>1, -128), 127) }},
		{loop.Clamp(loop.Op(loop.AShr, product, loop.Num(loop.I64, 1)), -1<<40, 1<<40), func(x, y int32) int64 { return min(max(int64(x)*int64(y)>>1, -1<<40), 1<<40) }},
	}
	// A number of a comparison, and a selection by it, of every width and kind. LLVM makes minima of
	// some: differences of 32 bits must fit, so these numbers are halved.
	half := func(at int) loop.Expr { return loop.To(loop.SExt, loop.Op(loop.AShr, read(at), loop.Int(1)), 64) }
	for _, bits := range []int{8, 16, 32, 64} {
		number := func(at int) loop.Expr { return loop.To(loop.SExt, loop.Op(loop.AShr, read(at), loop.Int(1)), bits) }
		value := func(x int32) int64 { return int64(x>>1) << (64 - bits) >> (64 - bits) }
		plain := func(x int32) uint64 { return uint64(x>>1) << (64 - bits) >> (64 - bits) }
		for _, c := range []struct {
			op    loop.BinOp
			holds func(x, y int32) bool
		}{
			{loop.SLt, func(x, y int32) bool { return value(x) < value(y) }},
			{loop.ULt, func(x, y int32) bool { return plain(x) < plain(y) }},
			{loop.Eq, func(x, y int32) bool { return value(x) == value(y) }},
		} {
			for _, not := range []int64{0, 1} {
				is := loop.Op(loop.Xor, loop.Op(c.op, number(0), number(4)), loop.Int(int(not)))
				holds := func(x, y int32) bool { return c.holds(x, y) != (not == 1) }
				results = append(results,
					result{loop.To(loop.ZExt, is, 64), func(x, y int32) int64 {
						if holds(x, y) {
							return 1
						}
						return 0
					}},
					// y, or x where it holds: LLVM sees a selection.
					result{loop.Op(loop.Xor, half(4), loop.Op(loop.And, loop.Op(loop.Xor, half(0), half(4)), loop.Op(loop.Sub, loop.Num(loop.I64, 0), loop.To(loop.ZExt, is, 64)))), func(x, y int32) int64 {
						if holds(x, y) {
							return int64(x >> 1)
						}
						return int64(y >> 1)
					}})
			}
		}
	}
	for i, r := range results {
		b.Store(out, loop.Int(8*i), r.e)
	}
	b.Return(loop.Int(0))
	step := &loop.Func{Name: "net_step", Ints: []*loop.Var{{Name: "index", Type: loop.I32}}, Params: f.Params}
	loop.NewBuilder(step).Return(loop.Int(1))

	var records [][]byte
	for _, x := range numbers {
		for _, y := range numbers {
			if x == math.MinInt32 && y|1 == -1 {
				continue // the quotient overflows
			}
			records = append(records, binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, uint32(x)), uint32(y)))
		}
	}
	for _, name := range []string{"armv6m", "armv7m", "armv7", "armv7-nofpu", "riscv32", "riscv32-m", "riscv64", "x86_64"} {
		t.Run(name, func(t *testing.T) {
			tgt, err := processor.Find(name)
			require.NoError(t, err)
			if err := emu.Check(tgt); err != nil {
				t.Skip(err)
			}
			compile := func(text string, err error) []byte {
				require.NoError(t, err)
				object, err := llvm.Compile(context.Background(), tools, text, tgt, "obj")
				require.NoError(t, err)
				return object
			}
			job := emu.Job{Prefix: "net", Inputs: []int{8}, Outputs: []int{8 * len(results)}, Align: 8}
			object := compile(llvm.Print(&loop.Program{Funcs: []*loop.Func{step, f}}, tgt))
			undefined, err := llvm.Undefined(object)
			require.NoError(t, err)
			assert.Empty(t, undefined)
			p, err := emu.Link(context.Background(), t.TempDir(), job, tgt, compile(emu.Driver(job, tgt)), object)
			require.NoError(t, err)
			got, err := p.Run(context.Background(), records)
			require.NoError(t, err)
			for i, r := range records {
				x, y := int32(binary.LittleEndian.Uint32(r)), int32(binary.LittleEndian.Uint32(r[4:]))
				for j, want := range results {
					require.Equal(t, want.want(x, y), int64(binary.LittleEndian.Uint64(got.Outputs[i][8*j:])), fmt.Sprintf("result %d of %d, %d", j, x, y))
				}
			}
		})
	}
}
