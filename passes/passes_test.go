package passes_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/frontend/dataset"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/machine"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/robust"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/measure"
)

const folder = "../testdata/lenet5/"

// wholeSearch skips a test but in make test-full. What searches decide is tested on
// made-up tables, and one small search as a whole, in package robust.
func wholeSearch(t *testing.T) {
	if os.Getenv("DNNC_FULL") == "" {
		t.Skip("a whole search, of make test-full: DNNC_FULL=1")
	}
}

func load(t *testing.T) *ir.Module {
	m, err := frontend.Load(folder+"lenet5.dnn", frontend.Options{})
	require.NoError(t, err)
	return m
}

func images(t *testing.T, name string, n int) data.Batch {
	d, err := dataset.Load(folder+name, dataset.Want{N: n, Seed: 1})
	require.NoError(t, err)
	return d.Batch
}

// gaussian is Gaussian errors of images of a shape in [0,high].
func gaussian(t *testing.T, high float32, shape ...int) []disturb.Condition {
	list, err := disturb.Parse("gaussian", []disturb.Input{{Holds: ir.Content{Kind: ir.Image}, Shape: shape, High: high}})
	require.NoError(t, err)
	return list
}

func environment(t *testing.T, n int) *pass.Env {
	armv7, err := processor.Find("armv7")
	require.NoError(t, err)
	return &pass.Env{
		Target: armv7, Level: pass.Int8, Seed: 1, Errors: gaussian(t, 1, 1, 28, 28),
		Calibration: func() (data.Batch, error) { return images(t, "fashion-train-images-idx3-ubyte.gz", n), nil },
	}
}

// TestInt8KeepsAccuracy compares the integers with the reals on test images.
func TestInt8KeepsAccuracy(t *testing.T) {
	m := load(t)
	exact, err := interp.CompileFloat(m.Clone())
	require.NoError(t, err)
	test := images(t, "fashion-test-images-idx3-ubyte.gz", 1000)
	ref, err := exact.Forward(context.Background(), test.X, test.N)
	require.NoError(t, err)
	require.InDelta(t, .9177, measure.Accuracy(ref, test.Labels, 10), .02)

	require.NoError(t, passes.Table.Run(context.Background(), m, environment(t, 64), pass.Options{}))
	prog, err := interp.CompileInt(m)
	require.NoError(t, err)
	got, err := interp.Logits(context.Background(), prog, test.X, test.N)
	require.NoError(t, err)
	assert.InDelta(t, measure.Accuracy(ref, test.Labels, 10), measure.Accuracy(got, test.Labels, 10), .005)
	assert.Less(t, measure.Diverge(ref, got, 10).KL, .002)
	assert.Positive(t, m.Arena.Bytes)
}

func TestQedIsNotBelowUniversal(t *testing.T) {
	wholeSearch(t)
	env := environment(t, 256)
	env.Level, env.Budget.Bits = pass.Robust, 1
	m := load(t)
	require.NoError(t, passes.Table.Run(context.Background(), m, env, pass.Options{Observe: func(p *pass.Pass, d time.Duration, _ *ir.Module) error {
		t.Logf("%-16s %v", p.Name, d.Round(time.Millisecond))
		return nil
	}}))
	r := env.Report
	require.Len(t, r.Table, 4)
	for _, row := range r.Table {
		t.Logf("%s %.4f", row.Name, row.KL)
	}
	for _, f := range r.Finalists {
		t.Logf("%s %v %d bytes KL %.4f chosen %v", f.Origin, f.Elems, f.Bytes, f.KL, f.Chosen)
	}
	weights, bytes := 0, 0
	for _, n := range m.Layers() {
		w := n.Const(ir.AttrWeight).Type
		weights += w.Shape.Size()
		bytes += ir.PackedBytes(w.Elem, w.Shape)
	}
	assert.LessOrEqual(t, bytes*8, weights+8*3*4)
	for _, f := range r.Finalists {
		assert.GreaterOrEqual(t, f.KL, r.KL)
	}
	test := images(t, "fashion-test-images-idx3-ubyte.gz", 500)
	prog, err := interp.CompileInt(m)
	require.NoError(t, err)
	got, err := interp.Logits(context.Background(), prog, test.X, test.N)
	require.NoError(t, err)
	t.Logf("test accuracy %.3f", measure.Accuracy(got, test.Labels, 10))
}

// TestMemoryChangesNoChoice runs a search that keeps what it has computed, and one with the memory
// that rounding takes at least.
func TestMemoryChangesNoChoice(t *testing.T) {
	wholeSearch(t)
	var reports []pass.SearchReport
	for _, bytes := range []int{0, 20 << 20} {
		env := environment(t, 320)
		env.Level, env.Budget.Bits, env.MaxMemory = pass.Robust, 2, bytes
		env.Formats = []ir.Elem{ir.OddOf(2), ir.OddOf(3), ir.VecOf(4, 8)}
		require.NoError(t, passes.Table.Run(context.Background(), load(t), env, pass.Options{StopAfter: passes.Robust}))
		reports = append(reports, env.Report)
	}
	assert.Equal(t, reports[0].Table, reports[1].Table)
	assert.Equal(t, reports[0].Finalists, reports[1].Finalists)
	assert.Equal(t, reports[0].MACs, reports[1].MACs, "nothing is computed anew")
}

// TestCheckpoint cancels a search in its table, and again, and holds what the
// resumed one chooses, counts and reports to an undisturbed run.
func TestCheckpoint(t *testing.T) {
	wholeSearch(t)
	search := func(ctx context.Context, file string, seed uint64) (*pass.Env, error) {
		env := environment(t, 64)
		env.Level, env.Budget.Bits, env.Checkpoint, env.Seed = pass.Robust, 2, file, seed
		env.Formats = []ir.Elem{ir.OddOf(2), ir.OddOf(3), ir.VecOf(4, 8)}
		return env, passes.Table.Run(ctx, load(t), env, pass.Options{StopAfter: passes.Robust})
	}
	undisturbed, err := search(context.Background(), "", 1)
	require.NoError(t, err)

	file := filepath.Join(t.TempDir(), "table.json")
	for _, entries := range []int{4, 8} {
		ctx, cancel := context.WithCancel(context.Background())
		env := environment(t, 64)
		env.Level, env.Budget.Bits, env.Checkpoint = pass.Robust, 2, file
		env.Formats = []ir.Elem{ir.OddOf(2), ir.OddOf(3), ir.VecOf(4, 8)}
		seen := 0
		env.Progress = func(string, int, int) {
			if seen++; seen == entries {
				cancel()
			}
		}
		err := passes.Table.Run(ctx, load(t), env, pass.Options{StopAfter: passes.Robust})
		require.ErrorIs(t, err, context.Canceled)
		require.FileExists(t, file)
	}
	resumed, err := search(context.Background(), file, 1)
	require.NoError(t, err)
	assert.Equal(t, undisturbed.Report, resumed.Report)

	var d *diag.Diagnostic
	_, err = search(context.Background(), file, 2)
	require.ErrorAs(t, err, &d, "another seed")
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, whole[:len(whole)/2], 0o644))
	_, err = search(context.Background(), file, 1)
	require.ErrorAs(t, err, &d, "half a file")
}

// TestDeadChannelsAnswerNothing: a channel of zeros with a bias answers the bias
// (R2), however its codes and those before it are rounded.
func TestDeadChannelsAnswerNothing(t *testing.T) {
	m := load(t)
	for _, n := range m.Layers() {
		c := n.Const(ir.AttrWeight)
		w, err := c.Float32()
		require.NoError(t, err)
		w = slices.Clone(w)
		clear(w[:len(w)/c.Type.Shape[0]])
		*c = *ir.FloatConst(c.Name, c.Type.Shape, w)
	}
	exact, err := interp.CompileFloat(m.Clone())
	require.NoError(t, err)
	test := images(t, "fashion-test-images-idx3-ubyte.gz", 64)
	want, err := exact.Forward(context.Background(), test.X, test.N)
	require.NoError(t, err)
	for _, e := range []ir.Elem{ir.OddOf(1), ir.OddOf(3), ir.VecOf(4, 8)} {
		env := environment(t, 64)
		c := m.Clone()
		env.Fix = map[string]ir.Elem{"fc2": e}
		require.NoError(t, passes.Table.Run(context.Background(), c, env, pass.Options{}))
		prog, err := interp.CompileInt(c)
		require.NoError(t, err)
		got, err := interp.Logits(context.Background(), prog, test.X, test.N)
		require.NoError(t, err)
		for i := range test.N {
			require.InDelta(t, want[i*10], got[i*10], c.Outputs[0].Type.Quant.Scale, "%v", e)
		}
	}
}

// TestNearlyDeadChannels: channel 0 has weights of 1e-9, or 1e-20, and a bias of .5, which
// it answers in every format.
func TestNearlyDeadChannels(t *testing.T) {
	for _, name := range []string{"dead1e9", "dead1e20"} {
		m, err := frontend.Load("../testdata/numbers/"+name+".dnn", frontend.Options{})
		require.NoError(t, err)
		for _, format := range []string{"i8", "odd1", "odd2", "odd3", "odd4", "odd5", "odd6", "odd7", "odd8", "code3", "vec4x4", "vec8x2"} {
			for _, rounding := range []string{"nearest", "compensated"} {
				env := environment(t, 8)
				env.Rounding, env.Errors = rounding, gaussian(t, 1, 1, 8, 8)
				env.Calibration = func() (data.Batch, error) { return data.Synthesize([]int{1, 8, 8}, 0, 1, 16, 1), nil }
				e, ok := ir.ParseElem(format)
				require.True(t, ok)
				env.Fix = map[string]ir.Elem{"a": e}
				c := m.Clone()
				require.NoError(t, passes.Table.Run(context.Background(), c, env, pass.Options{}), format)
				a := c.Value("a")
				assert.Equal(t, ir.Of(ir.I32), a.Def.Const(ir.AttrBias).Type.Elem, "one such channel makes no layer slow")
				p, err := interp.CompileInt(c)
				require.NoError(t, err)
				x := data.Synthesize([]int{1, 8, 8}, 0, 1, 16, 2)
				values := p.Tensors(x.N, a)
				values[p.ID(c.Inputs[0])] = interp.QuantizeInputs(c, x.X)
				require.NoError(t, p.Run(context.Background(), values, x.N, 0, len(c.Ops)))
				q := a.Type.Quant
				for i := range x.N {
					for k := range 36 {
						require.InDelta(t, .5, q.Scale*float64(int(values[p.ID(a)][i*144+k])-q.Zero), .5*q.Scale, "%s %s %s", name, format, rounding)
					}
				}
			}
		}
	}
}

// TestUnitsChangeNoInteger: weights and inputs in other units, powers of two whose squares
// float32 does not hold, give the same integers in every format.
func TestUnitsChangeNoInteger(t *testing.T) {
	integers := func(format, rounding string, exp int, bias int) []string {
		m, err := frontend.Load("../testdata/numbers/dead1e9.dnn", frontend.Options{})
		require.NoError(t, err)
		unit := math.Ldexp(1, exp)
		m.Inputs[0].Range = &ir.Range{Lo: 0, Hi: unit}
		for _, c := range m.Consts {
			x, err := c.Float32()
			require.NoError(t, err)
			x = slices.Clone(x)
			if c.Name == "a.weight" {
				copy(x, x[9:18]) // no channel is dead
			}
			for i := range x {
				switch {
				case strings.HasSuffix(c.Name, ".bias"):
					x[i] *= float32(math.Ldexp(1, bias))
				case c.Name == "a.weight":
					x[i] *= float32(math.Ldexp(1, bias-exp))
				}
			}
			*c = *ir.FloatConst(c.Name, c.Type.Shape, x)
		}
		env := environment(t, 8)
		env.Rounding = rounding
		env.Errors = gaussian(t, float32(unit), 1, 8, 8)
		env.Calibration = func() (data.Batch, error) { return data.Synthesize([]int{1, 8, 8}, 0, float32(unit), 16, 1), nil }
		e, ok := ir.ParseElem(format)
		require.True(t, ok)
		env.Fix = map[string]ir.Elem{"a": e, "b": e}
		require.NoError(t, passes.Table.Run(context.Background(), m, env, pass.Options{}), "%s %d", format, exp)
		var list []string
		for _, c := range m.Consts {
			if c.Type.Elem.Kind != ir.F32 { // scales have units
				raw, err := c.Load()
				require.NoError(t, err)
				list = append(list, fmt.Sprint(c.Name, raw))
			}
		}
		return list
	}
	for _, format := range []string{"i8", "odd1", "odd3", "odd8", "code3", "vec4x4"} {
		for _, rounding := range []string{"nearest", "compensated"} {
			want := integers(format, rounding, 0, 0)
			for _, units := range [][2]int{{100, 0}, {-90, 0}, {0, 90}, {0, -90}} {
				assert.Equal(t, want, integers(format, rounding, units[0], units[1]), "%s %s %v", format, rounding, units)
			}
		}
	}
}

// TestCyclesBoundTheSearch holds searches to a bound on estimated cycles, and one
// that is out of reach to a diagnostic whose way out works.
func TestCyclesBoundTheSearch(t *testing.T) {
	wholeSearch(t)
	run := func(method string, share float64) (*ir.Module, error) {
		env := environment(t, 32)
		env.Level, env.Search, env.Budget.Bits, env.Budget.CyclesOfInt8 = pass.Robust, method, 3, share
		env.Formats = []ir.Elem{ir.OddOf(1), ir.OddOf(3)}
		m := load(t)
		return m, passes.Table.Run(context.Background(), m, env, pass.Options{StopAfter: passes.Robust})
	}
	estimate := func(m *ir.Module, elem func(n *ir.Node) ir.Elem) (sum float64) {
		for _, n := range m.Layers() {
			sum += machine.Cycles(n, environment(t, 64).Target, elem(n))
		}
		return sum
	}
	own := func(n *ir.Node) ir.Elem { e, _ := n.Elem(ir.AttrBits); return e }
	free, err := run("qed", 0)
	require.NoError(t, err)
	whole := estimate(free, func(*ir.Node) ir.Elem { return ir.Of(ir.I8) })
	share := estimate(free, own) / whole * .8 // no bound that the free choice keeps
	for _, method := range []string{"qed", "qstar"} {
		m, err := run(method, share)
		require.NoError(t, err, method)
		assert.LessOrEqual(t, estimate(m, own), share*whole, method)
	}
	_, err = run("qed", .01)
	var d *diag.Diagnostic
	require.ErrorAs(t, err, &d)
	require.Equal(t, diag.BadBudget, d.Kind)
	at := regexp.MustCompile(`-cycles ([0-9.]+)x`).FindStringSubmatch(d.Help)
	require.NotNil(t, at, "%+v", d)
	least, err := strconv.ParseFloat(at[1], 64)
	require.NoError(t, err)
	_, err = run("qed", least)
	assert.NoError(t, err)
}

// TestPlansAndEffort: objectives are told apart and named, an unknown one is a fault,
// and Q* ends at a count of multiply-adds, the same each time.
func TestPlansAndEffort(t *testing.T) {
	wholeSearch(t)
	calibrated := func() (*ir.Module, *pass.Env) {
		env := environment(t, 16)
		env.Level, env.Rounding = pass.Robust, "nearest"
		env.Formats = []ir.Elem{ir.OddOf(1), ir.OddOf(2), ir.OddOf(3)}
		m := load(t)
		require.NoError(t, passes.Table.Run(context.Background(), m, env, pass.Options{StopAfter: passes.Calibrated}))
		return m, env
	}
	m, env := calibrated()
	s, err := robust.New(m, env)
	require.NoError(t, err)
	bytes, _ := robust.Limit(m.Layers(), pass.Budget{Bits: 2})
	names := s.Objectives()
	assert.Subset(t, names, []string{"KL", "squared error", "flips", "clean", robust.BoundaryObjective})
	for _, name := range names {
		n, err := s.Plan(context.Background(), name, bytes)
		require.NoError(t, err, name)
		assert.LessOrEqual(t, n.Bytes, bytes, name)
	}
	_, err = s.Plan(context.Background(), "flip", bytes)
	assert.ErrorContains(t, err, `did you mean "flips"?`)
	_, err = s.Plan(context.Background(), "KL", 10)
	assert.ErrorContains(t, err, "no choice of widths fits")
	for _, row := range s.Costs() {
		assert.Len(t, row.KL, 3)
	}

	ends := func(effort int64) int64 {
		m, env := calibrated()
		env.Patient, env.Effort = true, effort
		s, err := robust.New(m, env)
		require.NoError(t, err)
		_, err = s.Choose(context.Background(), "qstar", bytes)
		require.NoError(t, err)
		return env.Report.MACs
	}
	little, much := ends(1), ends(s.TableMACs())
	assert.Less(t, little, much)
	assert.Equal(t, little, ends(1))
}

// TestEarlierChoicesDoNotSteer gives one search two budgets, and another the second
// alone: what the first measured is kept, and changes no choice.
func TestEarlierChoicesDoNotSteer(t *testing.T) {
	wholeSearch(t)
	choose := func(budgets ...int) (*robust.Network, pass.SearchReport) {
		env := environment(t, 32)
		env.Formats = []ir.Elem{ir.OddOf(1), ir.OddOf(2), ir.OddOf(3), ir.OddOf(5)}
		m := load(t)
		require.NoError(t, passes.Table.Run(context.Background(), m, env, pass.Options{StopAfter: passes.Calibrated}))
		s, err := robust.New(m, env)
		require.NoError(t, err)
		var n *robust.Network
		for _, bytes := range budgets {
			env.Report = pass.SearchReport{}
			n, err = s.Choose(context.Background(), "qed", bytes)
			require.NoError(t, err)
		}
		return n, env.Report
	}
	later, laterReport := choose(110000, 108000, 109000)
	fresh, freshReport := choose(109000)
	assert.Equal(t, fresh.Key(), later.Key())
	assert.Equal(t, freshReport, laterReport)
}
