package fuzz

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/codegen/c"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/codegen/network"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/emu"
)

// TestRandomNetworks is a part of what dnnc fuzz does at length.
func TestRandomNetworks(t *testing.T) {
	n, objects := 60, 3
	if os.Getenv("DNNC_FULL") != "" {
		n, objects = 3000, 300
	}
	failures, refusals := All(context.Background(), 1000, n, nil, func(int, int) {})
	assert.Empty(t, refusals)
	for _, f := range failures {
		t.Error(f)
	}
	if testing.Short() {
		return
	}
	var targets []*processor.Target
	for _, name := range []string{"x86_64", "armv7"} {
		tgt, err := processor.Find(name)
		require.NoError(t, err)
		if _, err := llvm.Find(""); err != nil {
			t.Skip(err)
		}
		if err := emu.Check(tgt); err != nil {
			t.Skip(err)
		}
		targets = append(targets, tgt)
	}
	failures, refusals = All(context.Background(), 2000, objects, targets, func(int, int) {})
	assert.Empty(t, refusals)
	for _, f := range failures {
		t.Error(f)
	}
}

// TestCFilesOfRandomNetworks compiles random networks' C files for 64 and 32 bits
// under the warnings that the file must be free of; what they compute, the tests of
// codegen/network compare.
func TestCFilesOfRandomNetworks(t *testing.T) {
	if testing.Short() {
		t.Skip("not short")
	}
	n := 8
	if os.Getenv("DNNC_FULL") != "" {
		n = 1000
	}
	var targets []*processor.Target
	for _, name := range []string{"x86_64", "armv7", "armv7em", "armv6m"} {
		tgt, err := processor.Find(name)
		require.NoError(t, err)
		targets = append(targets, tgt)
	}
	nets, texts := make([]*Network, n), make([]string, n)
	for i := range n {
		nets[i] = Random(3000 + uint64(i))
		path, err := nets[i].write(t.TempDir())
		require.NoError(t, err)
		m, err := compile(context.Background(), nets[i], path, targets[i%len(targets)])
		require.NoError(t, err)
		p, err := network.Write(m, network.Interface{Prefix: "net"})
		require.NoError(t, err)
		texts[i] = c.Print(p)
	}
	warnings := []string{"-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-Werror", "-fsyntax-only", "-xc", "-"}
	for _, cc := range [][]string{{"gcc"}, {"clang-19"}, {"arm-linux-gnueabihf-gcc"}, {"clang-19", "--target=arm-linux-gnueabihf"}} {
		t.Run(strings.Join(cc, " "), func(t *testing.T) {
			if _, err := exec.LookPath(cc[0]); err != nil {
				t.Skip(err)
			}
			for i, text := range texts {
				command := exec.Command(cc[0], append(cc[1:], warnings...)...)
				command.Stdin = strings.NewReader(text)
				out, err := command.CombinedOutput()
				require.NoError(t, err, "seed %d, %s:\n%s\n%s", nets[i].Seed, nets[i].formats(), nets[i].Source(), out)
			}
		})
	}
}

// TestEverythingIsGenerated holds the generator to the table of operations and to
// what kernels distinguish, and prints how often a thousand networks have it.
func TestEverythingIsGenerated(t *testing.T) {
	ops, words, elems, counts := map[ir.Op]int{}, map[string]int{}, map[string]int{}, map[string]int{}
	for seed := range uint64(1000) {
		n := Random(seed)
		require.True(t, n.sound(), "%d", seed)
		list, err := n.layers()
		require.NoError(t, err)
		counts[fmt.Sprintf("%d inputs", len(n.Inputs))]++
		counts[fmt.Sprintf("%d results", len(n.Results))]++
		for what, is := range map[string]bool{"compensated": n.Compensated, "TFLite": n.TFLite, "hooks": n.Hooks, "lend": n.Lend, "stepped": n.Stepped, "rows": n.Rows, "threads": n.Threads > 0} {
			if is {
				counts[what]++
			}
		}
		for i, live := range n.live() {
			if !live {
				continue
			}
			x, y := n.Nodes[i], list[i]
			ops[x.Op]++
			if x.Tied != 0 {
				counts["tied "+x.Op.String()]++
			}
			if x.Op.HasWeights() {
				e, ok := ir.ParseElem(x.Format)
				require.True(t, ok)
				elems[x.Format]++
				if e.Kind == ir.Vec {
					counts[fmt.Sprintf("vec of %d bits", e.Bits)]++
				}
			}
			for _, a := range y.Op.Info().Attrs {
				switch {
				case a.Key.Kind() == ir.KindWord && a.Key != ir.AttrRound && a.Key != ir.AttrRounding:
					words[y.Op.String()+" "+a.Key.String()+" "+y.Word(a.Key.(ir.Key[string]))]++
				case !a.Source && a.Key.Kind() != ir.KindConst && y.Has(a.Key):
					words[y.Op.String()+" "+a.Key.String()]++
				}
			}
		}
	}
	for op := range ir.NumOps {
		assert.Positive(t, ops[op], "%s is never generated", op)
		t.Log(op, ops[op])
		for _, a := range op.Info().Attrs {
			switch a.Key {
			case ir.AttrRound, ir.AttrRounding, ir.AttrBits, ir.AttrSparsity, ir.AttrLo, ir.AttrHi,
				ir.AttrImpl, ir.AttrMultiply, ir.AttrTile, ir.AttrUnroll, ir.AttrScratch, ir.AttrLag,
				ir.AttrChain, ir.AttrBuffer, ir.AttrKept, ir.AttrLoad, ir.AttrParts: // passes write them
				continue
			case ir.AttrCellBits, ir.AttrCellClip, ir.AttrHiddenZero: // importers write them
				continue
			case ir.AttrPool, ir.AttrParams: // what fuse-pool writes; numbers of a table's function, which functions have
				continue
			}
			for _, w := range a.Words {
				isImported := w == ir.CellLSTM8 || w == ir.CellCIFG8
				if !isImported && (a.Key != ir.AttrFn || op != ir.Table) {
					assert.Positive(t, words[op.String()+" "+a.Key.String()+" "+w], "%s with %s: %s", op, a.Key, w)
				}
			}
			if a.Words == nil && !a.Source && a.Key.Kind() != ir.KindConst {
				assert.Positive(t, words[op.String()+" "+a.Key.String()], "%s with another %s", op, a.Key)
			}
		}
	}
	for b := 1; b <= ir.MaxCodeBits; b++ {
		assert.Positive(t, elems[ir.OddOf(b).String()], b)
		assert.Positive(t, elems[ir.CodeOf(b).String()], b)
		assert.Positive(t, counts[fmt.Sprintf("vec of %d bits", b)], b)
	}
	for _, what := range []string{"1 inputs", "2 inputs", "3 inputs", "1 results", "2 results", "3 results", "tied linear", "tied conv2d", "compensated", "TFLite", "hooks", "lend", "stepped", "rows", "threads"} {
		assert.Positive(t, counts[what], what)
		t.Log(what, counts[what])
	}
}

// TestReduce: a network that fails for one of its operations is reduced to it.
func TestReduce(t *testing.T) {
	found := 0
	for seed := uint64(1); seed < 400; seed++ {
		strided := func(n *Network) bool {
			list, err := n.layers()
			require.NoError(t, err)
			for i, live := range n.live() {
				if y := list[i]; live && y.Op == ir.Conv2D && y.Stride()[0] > 1 && y.Ints(ir.AttrPad)[1] > 0 {
					return true
				}
			}
			return false
		}
		n := Random(seed)
		if !strided(n) {
			continue
		}
		found++
		r := Reduce(n, strided)
		require.Len(t, r.Nodes, 1, r.Source())
		x := r.Nodes[0]
		assert.Len(t, r.Inputs, 1)
		assert.Equal(t, 2, x.P[0]+x.P[1]+x.P[2]+x.P[7], "%v", x.P) // a stride of 2, one column
		assert.Zero(t, slices.Max(x.P[8:]), "%v", x.P)
		assert.Equal(t, "i8", x.Format)
		assert.Equal(t, How{}, r.How)
	}
	assert.Greater(t, found, 2)
}

// TestReduceKeepsWhatIsShared: layers that share weights go one by one, and inputs
// with them.
func TestReduceKeepsWhatIsShared(t *testing.T) {
	found := 0
	for seed := uint64(1); seed < 80; seed++ {
		tied := func(n *Network) bool {
			count := 0
			for i, live := range n.live() {
				if live && n.Nodes[i].Tied != 0 {
					count++
				}
			}
			return count > 1
		}
		n := Random(seed)
		if !tied(n) {
			continue
		}
		found++
		r := Reduce(n, tied)
		require.True(t, tied(r))
		assert.LessOrEqual(t, len(r.Nodes), min(len(n.Nodes), 12), r.Source())
		assert.LessOrEqual(t, len(r.Inputs), 2)
	}
	assert.Positive(t, found)
}

// TestReductionsEndAtTheFaultThatTheyBeganWith, where all smaller networks have another one.
func TestReductionsEndAtTheFaultThatTheyBeganWith(t *testing.T) {
	check := func(n *Network) error {
		if len(n.Nodes) > 2 && len(n.Inputs) > 1 {
			return fmt.Errorf("armv7: object: input %d, element 3 is not 4", len(n.Nodes))
		}
		return fmt.Errorf("armv7: evaluator: input %d, element 3 is not 4", len(n.Nodes))
	}
	found := 0
	for seed := uint64(1); seed < 60; seed++ {
		n := Random(seed)
		if len(n.Nodes) < 5 || len(n.Inputs) < 2 {
			continue
		}
		found++
		r := reduced(n, check(n), check)
		assert.Contains(t, check(r).Error(), "object")
		assert.Len(t, r.Inputs, 2)
		assert.LessOrEqual(t, len(r.Nodes), len(n.Nodes))
	}
	assert.Positive(t, found)
}

//go:noinline
func element(list []int, i int) { list[i]++ }

//go:noinline
func another(list []int, i int) { list[i]++ }

// TestKindOf: failures of one fault are of one kind whatever the network, others are not.
func TestKindOf(t *testing.T) {
	recovered := func(f func()) (err error) {
		defer func() { err = &panicked{recover(), debug.Stack()} }()
		f()
		return nil
	}
	index := func(list []int, i int) func() { return func() { element(list, i) } }
	tool := func(message string) error {
		return diag.New(diag.Pos{}, diag.ToolFailed, "/usr/bin/llc-19 -O2 -o /tmp/1/x.o: exit status 1").WithNote("%s", message)
	}
	var kinds []string
	for _, list := range [][]error{
		{fmt.Errorf("armv7: object: input 1, element 12 is not -3"), fmt.Errorf("armv7: object: input 0, element 1 is not 127")},
		{fmt.Errorf("x86_64: object: input 1, element 12 is not -3")},
		{fmt.Errorf("armv7: evaluator: input 1, element 12 is not -3")},
		{fmt.Errorf("armv7: object: input 1: the run function failed")},
		{fmt.Errorf("armv7: pass quantize: v3 (conv2d) differs first at element 1 of input 2: 3, the reals give 2.5"), fmt.Errorf("armv7: pass quantize: v12.relu (conv2d) differs first at element 7 of input 0: -3, the reals give NaN")},
		{fmt.Errorf("armv7: pass legalize: v3 (conv2d) differs first at element 1 of input 2: 3, the reals give 2.5")},
		{fmt.Errorf("armv7: %w", diag.New(diag.Pos{File: "/tmp/1/net.dnn", Line: 2, Col: 3}, diag.BadShape, "v2 is f32[1,2,3]")), fmt.Errorf("armv7: %w", diag.New(diag.Pos{File: "/tmp/2/net.dnn", Line: 5, Col: 9}, diag.BadShape, "v1 is f32[3]"))},
		{recovered(index(nil, 3)), recovered(index([]int{1}, 2))},
		{recovered(func() { another(nil, 3) })},
		{recovered(func() { panic("broken") })},
		{fmt.Errorf("armv7: object: %w", tool("error: value v1 of 3")), fmt.Errorf("armv7: object: %w", tool("error: value v2 of 4"))},
		{fmt.Errorf("armv7: object: %w", tool("LLVM ERROR: cannot select"))},
		{io.ErrUnexpectedEOF},
	} {
		kind := kindOf(list[0])
		for _, err := range list {
			assert.Equal(t, kind, kindOf(err))
		}
		assert.NotContains(t, kinds, kind)
		kinds = append(kinds, kind)
	}
}

// TestMismatchesAreSeen plants faults where two ways are compared.
func TestMismatchesAreSeen(t *testing.T) {
	assert.Error(t, compare(0, []byte{1, 2}, []byte{1, 3}))
	assert.Error(t, compare(0, []byte{1, 2}, []byte{1}))
	assert.NoError(t, compare(0, []byte{1, 2}, []byte{1, 2}))
	n := &Network{Inputs: []Input{{ir.Shape{1, 3, 3}, -1, 1}}, Results: []int{0}}
	require.True(t, n.add(Node{Op: ir.Linear, Args: []int{-1}, P: []int{2, 0, 0}, Format: "odd3"}))
	require.NoError(t, Check(context.Background(), n, nil))
	n.Nodes[0].Format = "odd9"
	assert.ErrorContains(t, Check(context.Background(), n, nil), "no format")
	n.Nodes[0].Format, n.Nodes[0].Args = "odd3", []int{-2}
	assert.Error(t, Check(context.Background(), n, nil))
}

func TestRandomIsDeterministic(t *testing.T) {
	assert.Equal(t, Random(3), Random(3))
	assert.NotEqual(t, Random(3).Source(), Random(4).Source())
	var out bytes.Buffer
	require.NoError(t, Run(context.Background(), []string{"3", "7", "none"}, nil, &out, io.Discard))
	assert.Contains(t, out.String(), "3 networks from seed 7")
	for _, args := range [][]string{{"0"}, {"x"}, {"1", "-1"}, {"1", "1", "armv99"}} {
		assert.Error(t, Run(context.Background(), args, nil, &out, io.Discard), args)
	}
}

// TestRefusals: a network that quantization cannot serve is no failure; any other
// diagnostic of it is.
func TestRefusals(t *testing.T) {
	refused := diag.New(diag.Pos{}, diag.Unsupported, "the sums of channel 3 cannot be brought to 8 bits")
	for err, want := range map[error]bool{
		refused:                                              true,
		fmt.Errorf("armv7: %w", refused):                     true,
		&pass.Error{Pass: "fold", Err: refused}:              false,
		errors.New("input 3 differs"):                        false,
		diag.New(diag.Pos{}, diag.BadShape, "y is [2]"):      false,
		diag.New(diag.Pos{}, diag.CheckFailed, "4 is not 5"): false,
	} {
		assert.Equal(t, want, isRefusal(err), "%v", err)
	}
}

// TestRowsAndPartsAreDrawn: random networks are given their input by rows, and computed in parts.
func TestRowsAndPartsAreDrawn(t *testing.T) {
	tgt, err := processor.Find("armv7")
	require.NoError(t, err)
	rows, parts := 0, 0
	for seed := uint64(1); seed < 80; seed++ {
		n := Random(seed)
		if !n.Rows && n.Threads == 0 {
			continue
		}
		path, err := n.write(t.TempDir())
		require.NoError(t, err)
		m, err := compile(context.Background(), n, path, tgt)
		require.NoError(t, err)
		if m.ByRows() != nil {
			rows++
		}
		for _, o := range m.Ops {
			if o.Has(ir.AttrParts) {
				parts++
			}
		}
	}
	assert.Positive(t, rows)
	assert.Greater(t, parts, 5)
	t.Log(rows, "networks by rows,", parts, "operations in parts")
}

// TestNetworksThatFailed: networks at which the fuzzer once was wrong.
func TestNetworksThatFailed(t *testing.T) {
	for _, seed := range []uint64{
		10044,  // a product of matrices of 16 bits, whose sums no model rounds as TensorFlow Lite
		70145,  // a softmax of 16 bits of scores far apart
		510093, // a coefficient of a spectrum that is 0 but for rounding, after a clip
	} {
		assert.NoError(t, Check(context.Background(), Random(seed), nil), seed)
	}
	// A row of 15 codes of two bits that no word holds began in the middle of a byte: 32 bits from a byte on lack its end.
	n := Random(130115)
	path, err := n.write(t.TempDir())
	require.NoError(t, err)
	tgt, err := processor.Find("armv8m")
	require.NoError(t, err)
	m, err := compile(context.Background(), n, path, tgt)
	require.NoError(t, err)
	in, want, err := answers(context.Background(), m, n.Seed)
	require.NoError(t, err)
	assert.NoError(t, evaluated(m, in, want))
}
