package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/stream/streamtest"
	"github.com/dnnc/dnnc/passes/validate"
	"github.com/dnnc/dnnc/runtime/interp"
)

// TestRandomNetworks: frame by frame, random networks compute the integers of the whole ones.
func TestRandomNetworks(t *testing.T) {
	ctx, streamed, compared, windows := context.Background(), 0, 0, 0
	seeds := uint64(120)
	if testing.Short() { // as under the race detector
		seeds = 12
	}
	for seed := range seeds {
		m := streamtest.Random(seed, 24)
		whole, step, err := streamtest.Quantized(t, m, "armv7em", pass.LeastHop)
		if !assert.NoError(t, err, "network %d\n%s", seed, whole) {
			continue
		}
		n, err := validate.Stream(ctx, whole, step, streamtest.Records(whole, 2, seed))
		require.NoError(t, err, "network %d\n%s\n%s", seed, whole, step)
		records := streamtest.Records(whole, 4, seed)
		w, _, err := validate.Windows(ctx, whole, step, records)
		require.NoError(t, err, "network %d\n%s\n%s", seed, whole, step)
		streamed, compared, windows = streamed+1, compared+n, windows+w
		arena(t, step, seed)
		assert.Positive(t, n, "network %d has a result to compare\n%s", seed, step)
	}
	assert.Greater(t, windows, 2*int(seeds))
	assert.Greater(t, streamed, int(seeds)*5/6)
	assert.Greater(t, compared, 80*int(seeds))
}

// arena runs some frames in the memory of the plan, where nothing but states may be left from run
// to run.
func arena(t *testing.T, m *ir.Module, seed uint64) {
	ctx := context.Background()
	a, err := interp.NewArena(m)
	require.NoError(t, err)
	p, err := interp.CompileInt(m)
	require.NoError(t, err)
	memory, values := make([]int8, m.Arena.Bytes), p.Tensors(1, m.Outputs...)
	a.Reset(memory)
	for run, x := range streamtest.Records(m, 6, seed) {
		for i := m.StateBytes(); i < len(memory); i++ {
			memory[i] = int8(17 * i)
		}
		got, err := a.Run([][]int8{x}, memory, nil)
		require.NoError(t, err)
		p.Feed(values, x, 1)
		require.NoError(t, p.Run(ctx, values, 1, 0, len(m.Ops)))
		require.Equal(t, values[p.ID(m.Outputs[0])], got, "network %d, run %d\n%s", seed, run, m)
	}
}

// TestNetworks: known networks over 1,000 frames, by one frame and by several.
func TestNetworks(t *testing.T) {
	const frames = 1000
	for name, m := range map[string]*ir.Module{
		"dscnn": streamtest.DSCNN(frames), "tcn": streamtest.TCN(frames), "lstm": streamtest.Cell(ir.CellLSTM, "", frames),
		"gru": streamtest.Cell(ir.CellGRU, ir.ResetAfter, frames), "gru before": streamtest.Cell(ir.CellGRU, ir.ResetBefore, frames),
	} {
		hops := []int{pass.LeastHop, 5}
		if testing.Short() {
			hops = hops[1:]
		}
		for _, hop := range hops {
			t.Run(fmt.Sprint(name, hop), func(t *testing.T) {
				whole, step, err := streamtest.Quantized(t, m, "armv7em", hop)
				require.NoError(t, err)
				assert.Equal(t, []int{0}, step.Stream.Delays)
				n, err := validate.Stream(context.Background(), whole, step, streamtest.Records(whole, 1, 5))
				require.NoError(t, err)
				assert.Equal(t, whole.Outputs[0].Type.Slots(), n, "all frames are compared")
				arena(t, step, 3)
			})
		}
	}
}

// TestWindows: results that are of a window of frames alone are those of the whole network, run after run over
// 1,020 frames, and by several frames a run.
func TestWindows(t *testing.T) {
	for _, hop := range []int{pass.LeastHop, 4} {
		whole, step, err := streamtest.Quantized(t, streamtest.WakeWord(), "armv7em", hop)
		require.NoError(t, err)
		assert.Equal(t, []int{30}, step.Stream.Windows)
		windows, compared, err := validate.Windows(context.Background(), whole, step, streamtest.Records(whole, 34, 5))
		require.NoError(t, err)
		if hop == pass.LeastHop {
			assert.Equal(t, []int{1020 - 29, 3 * (1020 - 29)}, []int{windows, compared})
		} else {
			assert.Greater(t, windows, 1000/hop)
		}
	}
	for name, grow := range map[string]func(n *streamtest.Net){
		"padded after a frame that no pooling reads": func(n *streamtest.Net) {
			n.Conv("c", 2, [2]int{3, 1}, [2]int{1, 1}, [2]int{1, 1}, [4]int{1, 0, 1, 0}, false)
			n.Add(ir.MaxPool2D, "p", []*ir.Value{n.At}, ir.AttrKernel.Is([]int{3, 1}), ir.AttrStride.Is([]int{4, 1}), ir.AttrPad.Is([]int{0, 0, 0, 0}))
		},
		"strided":   func(n *streamtest.Net) { n.Causal("c", 2, 3, 2, 1, false) },
		"padded":    func(n *streamtest.Net) { n.Causal("c", 2, 3, 1, 1, false) },
		"recurrent": func(n *streamtest.Net) { n.Recurrent("r", ir.CellRNN, "", 3) },
	} {
		n := streamtest.New(1, ir.Shape{3, 21, 1}, 1)
		grow(n)
		n.Linear("all", 2)
		whole, step, err := streamtest.Quantized(t, n.Done(), "armv7em", pass.LeastHop)
		require.NoError(t, err, name)
		compared, err := validate.Stream(context.Background(), whole, step, streamtest.Records(whole, 3, 5))
		require.NoError(t, err, name)
		assert.Equal(t, 3*2, compared, name)
		assert.Equal(t, []int{0}, step.Stream.Windows, "%s: frames before the window count", name)
	}
}

// TestLateRecurrences: a recurrence after layers that look ahead, or that are not padded, leaves out the frames of
// before the first one.
func TestLateRecurrences(t *testing.T) {
	for _, c := range []struct {
		cell, reset        string
		hop, delay, frames int // of the result: frames that it is late, and those that come before the input ends
		grow               func(n *streamtest.Net)
	}{
		{ir.CellRNN, "", 1, 1, 23, func(n *streamtest.Net) {
			n.Conv("c", 3, [2]int{3, 1}, [2]int{1, 1}, [2]int{1, 1}, [4]int{1, 0, 1, 0}, false)
		}},
		{ir.CellLSTM, "", 3, 2, 6, func(n *streamtest.Net) {
			n.Conv("c", 3, [2]int{8, 1}, [2]int{3, 1}, [2]int{1, 1}, [4]int{}, false)
		}},
		{ir.CellLSTM, "", 3, 6, 18, func(n *streamtest.Net) { // late by 4 frames: a part of a run
			n.Conv("c", 3, [2]int{5, 1}, [2]int{1, 1}, [2]int{1, 1}, [4]int{}, false)
		}},
		{ir.CellGRU, ir.ResetAfter, 4, 4, 8, func(n *streamtest.Net) {
			n.Conv("c", 3, [2]int{4, 1}, [2]int{2, 1}, [2]int{3, 1}, [4]int{2, 0, 0, 0}, false)
		}},
		{ir.CellGRU, ir.ResetBefore, 2, 10, 14, func(n *streamtest.Net) { // late twice
			n.Conv("c", 3, [2]int{4, 1}, [2]int{1, 1}, [2]int{1, 1}, [4]int{}, false)
			n.Recurrent("r", ir.CellLSTM, "", 3)
			n.Conv("d", 3, [2]int{6, 1}, [2]int{1, 1}, [2]int{1, 1}, [4]int{}, false)
		}},
	} {
		for _, isWhole := range []bool{false, true} { // a result of all frames after it
			if isWhole && c.delay == 1 { // and padding after the last frame
				continue
			}
			t.Run(fmt.Sprint(c.cell, c.reset, c.hop, c.delay, isWhole), func(t *testing.T) {
				const records, hidden = 3, 5
				n := streamtest.New(1, ir.Shape{3, 24, 1}, 1)
				c.grow(n)
				n.Recurrent("last", c.cell, c.reset, hidden)
				want := records * c.frames * hidden
				if isWhole {
					want = records * 2
					n.Linear("all", 2)
				}
				whole, step, err := streamtest.Quantized(t, n.Done(), "armv7em", c.hop)
				require.NoError(t, err)
				if !isWhole {
					assert.Equal(t, []int{c.delay}, step.Stream.Delays)
				}
				compared, err := validate.Stream(context.Background(), whole, step, streamtest.Records(whole, records, 5))
				require.NoError(t, err, step)
				assert.Equal(t, want, compared)
				arena(t, step, 3)
			})
		}
	}
}

// TestIntegers: LSTMs of TensorFlow Lite's integers begin, after frames that are left out, with the zero point of their
// hidden state.
func TestIntegers(t *testing.T) {
	const frames, records = 40, 3
	for _, hop := range []int{pass.LeastHop, 4} {
		whole, step, err := streamtest.Quantized(t, streamtest.Integers(frames), "armv7em", hop)
		require.NoError(t, err)
		compared, err := validate.Stream(context.Background(), whole, step, streamtest.Records(whole, records, 5))
		require.NoError(t, err)
		assert.Positive(t, compared)
		n := step.Value("second").Def
		require.NotNil(t, n.Next())
		assert.Equal(t, []int{-11, 0}, []int{n.States()[0].Start, n.States()[1].Start})
		assert.Equal(t, n.Out.Type.Quant, n.States()[0].Type.Quant)
		assert.Equal(t, []string{"i8[5]", "i16[6]"}, []string{n.States()[0].Type.String(), n.States()[1].Type.String()})
	}
}

// TestPlacesOfFrames: an edited place of a recurrence's next frame is refused, as is one more state.
func TestPlacesOfFrames(t *testing.T) {
	_, step, err := streamtest.Quantized(t, streamtest.Late(24), "armv7em", 4)
	require.NoError(t, err)
	require.Empty(t, ir.Verify(step))
	n := step.Ops[slices.IndexFunc(step.Ops, func(n *ir.Node) bool { return n.Op == ir.Recurrent })]
	next := n.Next()
	require.NotNil(t, next)
	assert.Equal(t, -4, next.Start) // of 3 frames, in runs of 2
	for start, want := range map[int]string{-3: "starts with -3: frames that are left out fill runs of 2 steps", 2: "starts with 2: a position before 0 counts frames"} {
		next.Start = start
		assert.ErrorContains(t, ir.Verify(step).Err(), want)
	}
	next.Start = -4
	n.Args = append(n.Args, next)
	_, d := ir.InferNode(n)
	require.NotNil(t, d)
	assert.ErrorContains(t, d, "recurrent has 3 states, not 4")
	n.Args = n.Args[:2] // without a cell and a place
	_, d = ir.InferNode(n)
	require.NotNil(t, d)
	assert.ErrorContains(t, d, "recurrent has 3 states, not 1")
}

// TestRefusals: what cannot be streamed says why, where, and what to do.
func TestRefusals(t *testing.T) {
	image := func(n *streamtest.Net) { n.M.Inputs[0].Content = ir.Content{Axis: ir.NoAxis} }
	for name, c := range map[string]struct {
		hop   int
		shape ir.Shape
		axis  int
		grow  func(n *streamtest.Net)
		want  string
	}{
		"no signal": {pass.LeastHop, ir.Shape{1, 20, 4}, 1, image, "the input x of [1,20,4] is no signal: along which axis does time go?"},
		"one frame": {pass.LeastHop, ir.Shape{3, 1, 1}, 1, func(*streamtest.Net) {}, "has one frame along axis 1"},
		"hop":       {3, ir.Shape{2, 20, 1}, 1, func(n *streamtest.Net) { n.Causal("s", 2, 3, 2, 1, false) }, "-stream=3: a run takes a multiple of 2 frames"},
		"long hop":  {40, ir.Shape{2, 20, 1}, 1, func(*streamtest.Net) {}, "at most the 20 of the input"},
		"strides": {pass.LeastHop, ir.Shape{2, 20, 1}, 1, func(n *streamtest.Net) {
			n.Conv("s", 2, [2]int{3, 1}, [2]int{21, 1}, [2]int{1, 1}, [4]int{22, 0, 0, 0}, false)
		}, "the strides along time make a run of 21 frames, the input has 20"},
		"very long strides": {pass.LeastHop, ir.Shape{2, 20, 1}, 1, func(n *streamtest.Net) {
			for _, name := range []string{"s", "u"} {
				n.Conv(name, 2, [2]int{3, 1}, [2]int{300, 1}, [2]int{1, 1}, [4]int{301, 0, 0, 0}, false)
			}
		}, "the strides along time make a run of more than 65536 frames"},
		"width": {pass.LeastHop, ir.Shape{2, 4, 20}, 2, func(n *streamtest.Net) {
			n.Conv("c", 2, [2]int{3, 3}, [2]int{1, 1}, [2]int{1, 1}, [4]int{1, 2, 1, 0}, false)
		}, "do not lie one after the other in memory, as axis 1 lies outside of it"},
		"softmax": {pass.LeastHop, ir.Shape{2, 20, 1}, 1, func(n *streamtest.Net) { n.Add(ir.Softmax, "p", []*ir.Value{n.At}, ir.AttrAxis.Is(1)) }, "-stream: p.softmax (softmax): it divides by the sum over all frames"},
		"two directions": {pass.LeastHop, ir.Shape{3, 20, 1}, 1, func(n *streamtest.Net) {
			x := n.At
			n.Recurrent("f", ir.CellRNN, "", 3)
			f := n.At
			n.At = x
			n.Recurrent("r", ir.CellRNN, "", 3)
			n.At.Def.Put(ir.AttrBack.Is(1))
			n.Add(ir.Concat, "both", []*ir.Value{f, n.At})
		}, "r (recurrent): it goes from the last frame to the first"},
		"backwards": {pass.LeastHop, ir.Shape{3, 20, 1}, 1, func(n *streamtest.Net) { n.Recurrent("r", ir.CellRNN, "", 3); n.At.Def.Put(ir.AttrBack.Is(1)) }, "r (recurrent): it goes from the last frame to the first"},
		"padding after": {pass.LeastHop, ir.Shape{3, 20, 1}, 1, func(n *streamtest.Net) {
			n.Conv("c", 3, [2]int{3, 1}, [2]int{1, 1}, [2]int{1, 1}, [4]int{1, 0, 1, 0}, false)
			n.Causal("d", 3, 2, 1, 1, false)
			n.Linear("all", 2)
			n.Add(ir.Reshape, "u", []*ir.Value{n.At}, ir.AttrShape.Is([]int{2, 1, 1}))
		}, "all (linear): it is of the last frames, and those of c are made with padding after the last frame"},
		"a pad after": {pass.LeastHop, ir.Shape{3, 20, 1}, 1, func(n *streamtest.Net) {
			n.Add(ir.Pad, "z", []*ir.Value{n.At}, ir.AttrBefore.Is([]int{0, 0, 0}), ir.AttrAfter.Is([]int{0, 1, 0}))
			n.Add(ir.Reduce, "mean", []*ir.Value{n.At}, ir.AttrAxes.Is([]int{1, 2}), ir.AttrKeep.Is(1))
		}, "mean.reduce (reduce): it is of the last frames, and those of z are made with padding after the last frame"},
		"padded means": {pass.LeastHop, ir.Shape{3, 20, 1}, 1, func(n *streamtest.Net) {
			n.Add(ir.AvgPool2D, "m", []*ir.Value{n.At}, ir.AttrKernel.Is([]int{3, 1}), ir.AttrStride.Is([]int{1, 1}), ir.AttrPad.Is([]int{2, 0, 0, 0}))
		}, "m (avgpool2d): the means of the first frames leave the padding out"},
		"between": {pass.LeastHop, ir.Shape{3, 20, 1}, 1, func(n *streamtest.Net) {
			n.Add(ir.Pad, "z", []*ir.Value{n.At}, ir.AttrBefore.Is([]int{0, 0, 0}), ir.AttrAfter.Is([]int{0, 0, 0}), ir.AttrBetween.Is([]int{0, 1, 0}))
		}, "z (pad): it puts frames between those of the input"},
		"repeats": {pass.LeastHop, ir.Shape{3, 20, 1}, 1, func(n *streamtest.Net) {
			n.Add(ir.Pad, "z", []*ir.Value{n.At}, ir.AttrBefore.Is([]int{0, 2, 0}), ir.AttrAfter.Is([]int{0, 0, 0}), ir.AttrMode.Is(ir.PadEdge))
		}, "z (pad): its padding along time repeats frames"},
		"other lengths": {pass.LeastHop, ir.Shape{3, 20, 1}, 1, func(n *streamtest.Net) {
			x := n.At
			n.Add(ir.Slice, "s", []*ir.Value{x}, ir.AttrStarts.Is([]int{0, 3, 0}), ir.AttrSize.Is([]int{3, 17, 1}))
		}, "s (copy): it takes some frames of the whole window"},
	} {
		t.Run(name, func(t *testing.T) {
			n := streamtest.New(1, c.shape, c.axis)
			n.Add(ir.Tanh, "t", []*ir.Value{n.At})
			c.grow(n)
			n.Causal("end", 2, 1, 1, 1, false)
			_, _, err := streamtest.Quantized(t, n.Done(), "armv7em", c.hop)
			var d *diag.Diagnostic
			require.ErrorContains(t, err, c.want)
			assert.Equal(t, 1, strings.Count(err.Error(), "help:"), "what follows is not named: %v", err)
			if !errors.As(err, &d) {
				var list diag.List
				require.ErrorAs(t, err, &list)
				d = list[0]
			}
			assert.NotEmpty(t, d.Help)
		})
	}
}
