package kerneltest

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/processor"
)

var update = flag.Bool("update", false, "write the goldens")

// Case is a layer with weights, then its formats and its targets, separated by blanks. The
// layer is the input's shape, the output channels and the
// size of the window (without: a linear layer), then what is not the default:
//
//	8,6,6 16 3x3 pad=1,1,1,1 stride=2,2 dilation=1,2 groups=2 pool=2,2 zero=5 relu even tflite twice wide padvalue low large unroll=1 result16 words
//
// zero is the zero point of the input; wide: a bias of 64 bits; padvalue: pads with values
// of its own; low: one weight of the least code; large: factors of a half and more; unroll: of small code; result16, words: the result or
// the argument has 16 bits.
type Case [3]string

// evaluated is the most multiply-adds of a case that is run, too.
const evaluated = 60_000

// Plans holds the plans of a table of layers to a golden in testdata: the numbers of the
// plan, the estimate, and the operations that a run of small layers executes. Each
// plan is checked as Plan checks it. A layer that a family does not serve stands in the
// golden, too.
func Plans(t *testing.T, golden string, list []*kernel.Family, cases []Case) {
	var lines []string
	edits := map[string]bool{}
	for _, c := range cases {
		for _, name := range strings.Fields(c[2]) {
			tgt, err := processor.Find(name)
			require.NoError(t, err)
			for _, format := range strings.Fields(c[1]) {
				m, macs := c.module(t, format)
				for _, f := range list {
					if f.Op != m.Ops[0].Op {
						continue
					}
					line := fmt.Sprintf("%s %s: %s %s: ", f.Name, name, c[0], format)
					lines = append(lines, line+answer(t, f, m, tgt, macs))
					// With -short one layer of each family and processor is edited.
					if key := f.Name + name; macs <= 10_000 && m.Ops[0].Has(ir.AttrImpl) && !(testing.Short() && edits[key]) {
						edits[key] = true
						edited(t, f, m, tgt)
					}
					if t.Failed() {
						t.Fatal(line)
					}
				}
			}
		}
	}
	Golden(t, golden, lines)
}

// answer is what a family says to a layer.
func answer(t *testing.T, f *kernel.Family, m *ir.Module, tgt *processor.Target, macs int) string {
	n := m.Ops[0]
	p, ok := f.Serves(kernel.Of(n, tgt))
	supposed, would := f.Serves(kernel.Suppose(n, tgt, n.Const(ir.AttrWeight).Type.Elem))
	text, other := "not served", "not served"
	if ok {
		text = numbers(p)
	}
	if would {
		other = numbers(supposed)
	}
	answer := text
	if other != text {
		answer += "; supposed: " + other
	}
	if !ok {
		return answer
	}
	if macs > evaluated {
		return answer
	}
	r := Plan(t, f, p, m, tgt)
	return answer + fmt.Sprintf("; runs %d operations, %d bytes of constants", r.Weighted(), r.Constants)
}

// edited changes the tile of a planned node, as an editor of a dump may: Read refuses it, or
// gives a plan that works.
func edited(t *testing.T, f *kernel.Family, m *ir.Module, tgt *processor.Target) {
	n := m.Ops[0]
	tile := n.Ints(ir.AttrTile)
	try := func(edited []int) {
		n.Drop(ir.AttrTile)
		n.Put(ir.AttrTile.Is(edited))
		p, err := f.Read(kernel.Of(n, tgt))
		if err != nil {
			return
		}
		require.Equal(t, edited, p.Attrs().Tile)
		f.Assign(n, p)
		run(t, p, m, tgt)
		if t.Failed() {
			t.Fatalf("tile %v, edited to %v", tile, edited)
		}
	}
	for i, v := range tile {
		for _, to := range []int{-1, 0, 1, v - 1, v + 1, 2 * v, 3 * v, 1000} {
			e := slices.Clone(tile)
			e[i] = to
			try(e)
		}
	}
	if tile != nil {
		try(tile[1:])
		try(append(slices.Clone(tile), 1))
	}
}

var float = regexp.MustCompile(`\d+\.\d+(e\+\d+)?|\d+e\+\d+`)

// numbers are those of a plan. Those of an estimate have five digits: processors of
// different kinds round differently.
func numbers(p kernel.Plan) string {
	text := float.ReplaceAllStringFunc(fmt.Sprintf("%+v", p), func(s string) string {
		x, err := strconv.ParseFloat(s, 64)
		if err != nil {
			panic(err)
		}
		return strconv.FormatFloat(x, 'g', 5, 64)
	})
	if !strings.Contains(text, "scratch:") {
		text += fmt.Sprintf(" scratch:%d", p.Scratch())
	}
	return text
}

// Golden holds lines to a file in testdata; -update writes it.
func Golden(t *testing.T, name string, lines []string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o644))
	}
	raw, err := os.ReadFile(file)
	require.NoError(t, err, "-update writes it")
	want := strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n")
	assert.Len(t, lines, len(want), "lines of %s", file)
	differ := 0
	for i := range min(len(lines), len(want)) {
		if lines[i] != want[i] {
			if differ++; differ > 3 {
				t.Log("and more")
				return
			}
			assert.Equal(t, want[i], lines[i], "%s:%d", file, i+1)
		}
	}
}

// Module is the network of a layer, as a case writes it, in a format.
func Module(t *testing.T, layer, format string) *ir.Module {
	m, _ := Case{layer}.module(t, format)
	return m
}

// module is the network of a case in a format, and its multiply-adds.
func (c Case) module(t *testing.T, format string) (m *ir.Module, macs int) {
	e, ok := ir.ParseElem(format)
	require.True(t, ok, format)
	words := strings.Fields(c[0])
	require.GreaterOrEqual(t, len(words), 2, c[0])
	ints := func(s string, sep string) (list []int) {
		for w := range strings.SplitSeq(s, sep) {
			v, err := strconv.Atoi(w)
			require.NoError(t, err, c[0])
			list = append(list, v)
		}
		return list
	}
	s := spec{elem: e, in: ints(words[0], ","), out: ints(words[1], ",")[0], stride: []int{1, 1}, dilation: []int{1, 1}, pad: []int{0, 0, 0, 0}, groups: 1}
	words = words[2:]
	if len(words) > 0 && words[0][0] <= '9' {
		s.kernel, words = ints(words[0], "x"), words[1:]
	}
	var unroll []int
	for _, w := range words {
		key, value, _ := strings.Cut(w, "=")
		switch key {
		case "pad":
			s.pad = ints(value, ",")
		case "stride":
			s.stride = ints(value, ",")
		case "dilation":
			s.dilation = ints(value, ",")
		case "groups":
			s.groups = ints(value, ",")[0]
		case "pool":
			s.pool = ints(value, ",")
		case "zero":
			s.zero = ints(value, ",")[0]
		case "unroll":
			unroll = ints(value, ",")
		case "relu":
			s.relu = true
		case ir.RoundEven, ir.RoundTFLite, ir.RoundTwice:
			s.round = w
		case "wide":
			s.wide = true
		case "result16":
			s.result = true
		case "words":
			s.words = true
		case "padvalue":
			s.padValue = true
		case "low":
			s.low = true
		case "large":
			s.large = true
		default:
			require.Fail(t, "no word of a case", w)
		}
	}
	m = s.module(rand.New(rand.NewPCG(1, uint64(len(c[0])))))
	n := m.Ops[0]
	if unroll != nil {
		n.Put(ir.AttrUnroll.Is(unroll[0]))
	}
	l := kernel.Layer{Node: n}
	return m, l.K() * l.Pixels() * l.Weight()[0]
}

// spec is a layer with weights.
type spec struct {
	elem                        ir.Elem
	in                          ir.Shape
	out                         int
	kernel                      []int // nil: linear
	stride, dilation, pad, pool []int
	groups, zero                int
	padValue                    bool
	wide                        bool // a bias of 64 bits
	relu                        bool
	round                       string // a word of ir.AttrRound, where it is not half up
	low                         bool   // the least code of 8 bits occurs
	large                       bool   // factors are eight times as large
	result                      bool   // the result is of 16 bits
	words                       bool   // the argument is
}

// size is the rows (axis 0) or columns (1) of a convolution's result, before its pooling.
func (s spec) size(axis int) int {
	return (s.in[1+axis]+s.pad[axis]+s.pad[2+axis]-(s.kernel[axis]-1)*s.dilation[axis]-1)/s.stride[axis] + 1
}

// module is a network of the layer, with random constants.
func (s spec) module(rng *rand.Rand) *ir.Module {
	n := &ir.Node{Op: ir.Linear}
	x := &ir.Value{Name: "x", Type: ir.Type{Elem: ir.Of(ir.I8), Shape: s.in, Quant: ir.Quant{Scale: 1. / 64, Zero: s.zero}}}
	if s.words {
		x.Type.Elem = ir.Of(ir.I16)
	}
	n.Args = []*ir.Value{x}
	n.Out = &ir.Value{Name: "y", Def: n}
	weight, result := ir.Shape{s.out, s.in.Size()}, ir.Shape{s.out}
	if s.kernel != nil {
		n.Op = ir.Conv2D
		weight = ir.Shape{s.out, s.in[0] / s.groups, s.kernel[0], s.kernel[1]}
		result = ir.Shape{s.out}
		for i := range 2 {
			result = append(result, s.size(i))
		}
		n.Put(ir.AttrKernel.Is(slices.Clone(s.kernel)))
		n.Put(ir.AttrStride.Is(s.stride))
		n.Put(ir.AttrDilation.Is(s.dilation))
		n.Put(ir.AttrPad.Is(s.pad))
		n.Put(ir.AttrGroups.Is(s.groups))
		if s.padValue {
			values := make([]float64, s.in[0])
			for i := range values {
				values[i] = float64(rng.IntN(256) - 128)
				if s.words {
					values[i] = float64(rng.IntN(1<<16) - 1<<15)
				}
			}
			n.Put(ir.AttrPadValue.Is(values))
		}
		if s.pool != nil {
			n.Put(ir.AttrPool.Is(s.pool))
			result[1], result[2] = result[1]/s.pool[0], result[2]/s.pool[1]
		}
	}
	n.Out.Type = ir.Type{Elem: ir.Of(ir.I8), Shape: result, Quant: ir.Quant{Scale: 1. / 32, Zero: rng.IntN(64) - 32}}
	s.constants(rng, n, weight)
	return &ir.Module{Name: "net", Inputs: []*ir.Value{x}, Outputs: []*ir.Value{n.Out}, Ops: []*ir.Node{n}}
}
