package verify_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/runtime/emu"
)

// awkward has what the trained networks do not: residual sums, depthwise and strided
// convolutions, odd sizes, and numbers of channels that divide by nothing.
const awkward = `tensors "awkward.safetensors"
network awkward(image: f32[5,23,19] in [-1,1]) -> f32[7] {
  stem = conv2d(image, filters: 13, kernel: 3, stride: 2, pad: 1)
  a = relu(stem)
  depth1 = conv2d(a, filters: 13, kernel: 3, pad: 1, groups: 13)
  point1 = conv2d(relu6(depth1), filters: 13, kernel: 1)
  sum1 = add(point1, a)
  depth2 = conv2d(sum1, filters: 13, kernel: [5,3], stride: [2,1], pad: [2,1,2,1], groups: 13)
  point2 = conv2d(relu(depth2), filters: 29, kernel: [1,2], stride: [1,2])
  short2 = conv2d(sum1, filters: 29, kernel: 1, stride: 2)
  sum2 = relu(add(point2, short2))
  pool = maxpool2d(sum2, kernel: 3, stride: 2, pad: 1)
  pairs = conv2d(pool, filters: 33, kernel: 3, pad: 1)
  fc1 = linear(relu(pairs), units: 41)
  fc2 = linear(relu(fc1), units: 7)
  return fc2
}
`

// writeAwkward writes the network with random weights.
func writeAwkward(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "awkward.dnn")
	rng := rand.New(rand.NewPCG(1, 1))
	m := &ir.Module{}
	for _, c := range []struct {
		layer  string
		weight ir.Shape
	}{
		{"stem", ir.Shape{13, 5, 3, 3}}, {"depth1", ir.Shape{13, 1, 3, 3}}, {"point1", ir.Shape{13, 13, 1, 1}},
		{"depth2", ir.Shape{13, 1, 5, 3}}, {"point2", ir.Shape{29, 13, 1, 2}}, {"short2", ir.Shape{29, 13, 1, 1}},
		{"pairs", ir.Shape{33, 29, 3, 3}}, {"fc1", ir.Shape{41, 33 * 3 * 3}}, {"fc2", ir.Shape{7, 41}},
	} {
		for i, shape := range []ir.Shape{c.weight, {c.weight[0]}} {
			x := make([]float32, shape.Size())
			for k := range x {
				x[k] = float32(rng.NormFloat64()) / 4
			}
			m.Consts = append(m.Consts, ir.FloatConst(c.layer+[]string{".weight", ".bias"}[i], shape, x))
		}
	}
	f, err := os.Create(filepath.Join(filepath.Dir(path), "awkward.safetensors"))
	require.NoError(t, err)
	require.NoError(t, frontend.WriteTensors(f, m))
	require.NoError(t, f.Close())
	require.NoError(t, os.WriteFile(path, []byte(awkward), 0o644))
	return path
}

// quantized writes a network with all layers in a format, as the passes that every
// target has in common leave it. Groups of a convolution share no codebook: such
// layers keep odd codes of 8 bits.
func quantized(t *testing.T, network, format string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "quantized.dnn")
	args := []string{network, "-target", "x86_64", "-rounding", "nearest", "-images", "16", "-stop-after", "quantize", "-emit", "ir", "-o", out}
	if format == "i8" {
		args = append(args, "-O", "int8")
	} else {
		m, err := frontend.Load(network, frontend.Options{})
		require.NoError(t, err)
		var fixed []string
		for _, n := range m.Layers() {
			if n.Op == ir.Linear || n.Int(ir.AttrGroups) == 1 || strings.HasPrefix(format, "odd") {
				fixed = append(fixed, n.Name()+"="+format)
			}
		}
		args = append(args, "-O", "universal", "-bits", "8", "-fix", strings.Join(fixed, ","))
	}
	code, _, stderr := dnnctest.Run(t, args...)
	require.Zero(t, code, stderr)
	text, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Contains(t, string(text), ": "+format+"[", "no layer has the format")
	return out
}

var verified = regexp.MustCompile(`(\d+) of (\d+) (?:test images|images of noise) and (\d+) of (\d+) adversarial inputs bit-exact`)

// TestFullMatrix compares every format on every target that runs here, in the three
// networks and in an awkward one, with eight adversarial inputs and so many images
// that they are twenty inputs; eight and two where a network takes an emulated
// microcontroller long. Without DNNC_FULL, the awkward one in three formats on two
// targets; in one when it must be short.
func TestFullMatrix(t *testing.T) {
	networks := []string{writeAwkward(t)}
	formats, targets := []string{"i8", "odd3", "vec4x8"}, []string{"x86_64", "armv7em"}
	if testing.Short() {
		formats = formats[1:2]
	}
	if dnnctest.IsFull() {
		networks = append(networks, dnnctest.Lenet, dnnctest.Root+"/testdata/alexnet/alexnet.dnn", dnnctest.Root+"/testdata/vgg16/vgg16.dnn")
		formats, targets = []string{"i8"}, processor.Names()
		for b := 1; b <= 8; b++ {
			formats = append(formats, fmt.Sprintf("odd%d", b))
		}
		formats = append(formats, "code3", "vec4x8", "vec4x16")
	}
	combinations, inputs := 0, 0
	for i, network := range networks {
		t.Run(strings.TrimSuffix(filepath.Base(network), ".dnn"), func(t *testing.T) {
			for _, format := range formats {
				t.Run(format, func(t *testing.T) {
					path := quantized(t, network, format)
					for _, name := range targets {
						t.Run(name, func(t *testing.T) {
							tgt, err := processor.Find(name)
							require.NoError(t, err)
							if err := emu.Check(tgt); err != nil {
								t.Skip(err)
							}
							images := "12"
							if i > 1 && len(tgt.Runners) > 0 && tgt.Runners[0].Board != nil {
								images = "2"
							}
							code, stdout, stderr := dnnctest.Run(t, "verify", path, "-target", name, "-n", images)
							require.Zero(t, code, stderr)
							got := verified.FindStringSubmatch(stdout)
							require.NotNil(t, got, stdout)
							assert.Equal(t, []string{images, images, "8", "8"}, got[1:])
							n, err := strconv.Atoi(images)
							require.NoError(t, err)
							combinations, inputs = combinations+1, inputs+n+8
						})
					}
				})
			}
		})
	}
	t.Logf("%d combinations of network, format and target, %d inputs in all, bit-exact", combinations, inputs)
}
