package proof_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/proof"
)

// bytes quantizes an image of bytes to themselves, less 128.
var bytes = ir.Quant{Scale: 1, Zero: -128}

func picture(shape ...int) disturb.Input {
	return disturb.Input{Name: "x", Holds: ir.Content{Kind: ir.Image, Axis: ir.NoAxis}, Shape: shape, High: 255}
}

// TestPlacesByHand: each kind on an image of 2x3 pixels of two channels, or a signal of two
// channels.
func TestPlacesByHand(t *testing.T) {
	x := []float32{10, 20, 30, 40, 50, 61, 1, 2, 3, 4, 5, 6}
	signal := disturb.Input{Name: "x", Holds: ir.Content{Kind: ir.Signal, Axis: 1}, Shape: []int{2, 6}, High: 255}
	for _, c := range []struct {
		name, way string
		extent    int
		in        disturb.Input
		places    []proof.Place
		at        proof.Place
		want      []int // bytes
		distinct  int
	}{
		{"patch", "dark", 2, picture(2, 2, 3), []proof.Place{{0, 0}, {0, 1}}, proof.Place{Row: 0, Column: 1}, []int{10, 0, 0, 40, 0, 0, 1, 0, 0, 4, 0, 0}, 3},
		{"patch", "bright", 1, picture(2, 2, 3), []proof.Place{{0, 0}, {0, 1}, {0, 2}, {1, 2}, {1, 1}, {1, 0}}, proof.Place{Row: 1, Column: 0}, []int{10, 20, 30, 255, 50, 61, 1, 2, 3, 255, 5, 6}, 7},
		// The means are 211/6 = 35.17 and 3.5, which is rounded up.
		{"patch", "mean", 2, picture(2, 2, 3), []proof.Place{{0, 0}, {0, 1}}, proof.Place{}, []int{35, 35, 30, 35, 35, 61, 4, 4, 3, 4, 4, 6}, 3},
		{"occlusion", "dark", 2, picture(2, 2, 3), []proof.Place{{-1, -1}, {-1, 0}, {-1, 1}, {-1, 2}, {0, 2}, {0, 1}, {0, 0}, {0, -1}, {1, -1}, {1, 0}, {1, 1}, {1, 2}},
			proof.Place{Row: 1, Column: 2}, []int{10, 20, 30, 40, 50, 0, 1, 2, 3, 4, 5, 0}, 13},
		{"shift", "", 1, picture(2, 2, 3), []proof.Place{{-1, -1}, {-1, 0}, {-1, 1}, {0, 1}, {0, 0}, {0, -1}, {1, -1}, {1, 0}, {1, 1}},
			proof.Place{Row: 1, Column: -1}, []int{20, 30, 30, 20, 30, 30, 2, 3, 3, 2, 3, 3}, 9},
		{"shift", "", 2, signal, []proof.Place{{0, -2}, {0, -1}, {0, 0}, {0, 1}, {0, 2}}, proof.Place{Column: 2}, []int{0, 0, 10, 20, 30, 40, 0, 0, 1, 2, 3, 4}, 5},
	} {
		name := fmt.Sprintf("%s %s %d", c.name, c.way, c.extent)
		i := slices.IndexFunc(proof.PlacesOf(c.name), func(k *proof.PlaceKind) bool { return k.Way == c.way })
		require.GreaterOrEqual(t, i, 0, name)
		p, err := proof.NewPlaces(proof.PlacesOf(c.name)[i], c.extent, c.in, bytes, x)
		require.NoError(t, err, name)
		assert.Equal(t, c.places, p.List, name)
		got := make([]int, len(x))
		for i, v := range p.At(c.at) {
			got[i] = int(v) + 128
		}
		assert.Equal(t, c.want, got, name)
		assert.Equal(t, c.distinct, p.Distinct(), name)
	}
	assert.Equal(t, []string{"patch", "occlusion", "shift"}, proof.PlaceNames())
	assert.Nil(t, proof.PlacesOf("light"))
	assert.Equal(t, "patch mean", proof.PlacesOf("patch")[2].String())
	_, err := proof.NewPlaces(proof.PlacesOf("patch")[0], 3, picture(2, 2, 3), bytes, x)
	assert.ErrorContains(t, err, "no square of 3 pixels has a place in an image of 2x3")
}

// TestVisitTellsEveryPlace: the places with a wrong answer are those at which the interpreter's answer
// to the whole image is wrong, with the answer that it has.
func TestVisitTellsEveryPlace(t *testing.T) {
	misses, clean := 0, 0
	for seed := range uint64(3) {
		for _, round := range []string{ir.RoundHalfUp, ir.RoundTFLite} {
			m := network(t, 70+seed, "network net(x: f32[2,6,5] in [0,1]) -> f32[4] {\n  c = conv2d(x, filters: 4, kernel: 3, pad: 1)\n  p = maxpool2d(relu(c), kernel: 2)\n  y = linear(flatten(p), units: 4)\n  return y\n}\n",
				"c.weight:[4,2,3,3] c.bias:[4] y.weight:[4,24] y.bias:[4]", round, passes.Quantized)
			prog, err := interp.CompileInt(m)
			require.NoError(t, err)
			net, err := proof.NewNet(m)
			require.NoError(t, err)
			w, err := net.NewWalker()
			require.NoError(t, err)
			in := picture(2, 6, 5)
			in.High = 1
			rng := rand.New(rand.NewPCG(seed, 9))
			x := make([]float32, 60)
			for i := range x {
				x[i] = float32(rng.IntN(256)) / 255
			}
			for _, name := range proof.PlaceNames() {
				for _, k := range proof.PlacesOf(name) {
					p, err := proof.NewPlaces(k, 2, in, m.Inputs[0].Type.Quant, x)
					require.NoError(t, err)
					images := slices.Clone(p.Clean())
					for _, at := range p.List {
						images = append(images, p.At(at)...)
					}
					y, err := prog.Forward(t.Context(), images, 1+len(p.List))
					require.NoError(t, err)
					label := first(y[:4])
					for _, right := range []int{label, (label + 1) % 4} {
						v, err := w.Visit(t.Context(), make([]int8, 60), 0, p, func(y []int8) bool { return first(y) == right })
						require.NoError(t, err)
						if right != label {
							require.Equal(t, y[:4], v.Clean)
							require.Empty(t, v.Misses)
							clean++
							continue
						}
						var want []proof.Miss
						for i, at := range p.List {
							if answer := y[4*(i+1) : 4*(i+2)]; first(answer) != right {
								want = append(want, proof.Miss{Place: at, Answer: answer})
							}
						}
						require.Nil(t, v.Clean)
						require.Equal(t, want, v.Misses, "%s, seed %d", k, seed)
						misses += len(want)
						assert.Equal(t, int64(p.Distinct())*int64(net.MACs()), v.Whole)
					}
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			p, err := proof.NewPlaces(proof.PlacesOf("patch")[0], 2, in, m.Inputs[0].Type.Quant, x)
			require.NoError(t, err)
			_, err = w.Visit(ctx, make([]int8, 60), 0, p, func([]int8) bool { return true })
			assert.ErrorIs(t, err, context.Canceled)
		}
	}
	assert.Greater(t, misses, 20)
	assert.Greater(t, clean, 20)
}
