package disturb

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/data"
)

// The inputs of a network that sees, hears and has sensors.
var (
	camera   = Input{Name: "camera", Holds: ir.Content{Kind: ir.Image}, Shape: []int{1, 8, 8}, High: 1}
	audio    = Input{Name: "audio", Holds: ir.Content{Kind: ir.Signal, Axis: 1}, Shape: []int{2, 16}, Low: -1, High: 1}
	mono     = Input{Name: "mono", Holds: ir.Content{Kind: ir.Signal}, Shape: []int{16}, Low: -1, High: 1, Pos: diag.Pos{File: "net.dnn", Line: 1, Col: 9}}
	sensors5 = Input{Name: "sensors", Holds: ir.Content{Kind: ir.Features}, Shape: []int{5}, Low: -9, High: 9}
)

func written(list []Condition) (texts []string) {
	for _, c := range list {
		texts = append(texts, c.String())
	}
	return texts
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text   string
		inputs []Input
		want   []string
	}{
		{"none", []Input{camera}, nil},
		{"gaussian=0.02,0.05; fog=.5", []Input{camera}, []string{"gaussian=0.02", "gaussian=0.05", "fog=0.5"}},
		{"fog", []Input{camera}, []string{"fog=0.12", "fog=0.22", "fog=0.42"}},
		{"default", []Input{camera}, []string{"gaussian=0.05", "gaussian=0.1", "gaussian=0.15"}},
		{"audio:gaussian=.1;camera:fog=.3", []Input{audio, camera}, []string{"gaussian=0.1", "camera:fog=0.3"}},
		{" camera : fog = .3 ; gaussian=.1", []Input{audio, camera}, []string{"camera:fog=0.3", "gaussian=0.1"}},
		{"gaussian=.1;camera:gaussian=.1", []Input{audio, camera}, []string{"gaussian=0.1", "camera:gaussian=0.1"}},
		{"camera:default;burst=.1", []Input{audio, camera}, []string{"camera:gaussian=0.05", "camera:gaussian=0.1", "camera:gaussian=0.15", "burst=0.1"}},
	} {
		list, err := Parse(c.text, c.inputs)
		require.NoError(t, err, c.text)
		assert.Equal(t, c.want, written(list), c.text)
		assert.NoError(t, Check(c.text), c.text)
	}
	for _, in := range []Input{camera, audio, mono, sensors5} {
		every, err := Parse("all", []Input{in})
		require.NoError(t, err)
		assert.Len(t, every, 3*len(Fitting(in)))
		list, err := Parse("default", []Input{in})
		require.NoError(t, err)
		assert.NotEmpty(t, list, in.Name)
		assert.Equal(t, in.Holds.Kind == ir.Image, len(list) == 3)
	}
	assert.Len(t, Fitting(camera), 20)
	assert.Len(t, Fitting(audio), 9)
	assert.Len(t, Fitting(mono), 8)
	assert.Len(t, Fitting(sensors5), 6)
}

// TestFaultsOfTexts are told without a network.
func TestFaultsOfTexts(t *testing.T) {
	for text, want := range map[string]string{
		"gausian":       `did you mean "gaussian"`,
		"x:gausian":     `did you mean "gaussian"`,
		"defalt":        `did you mean "default"`,
		"hail":          "the kinds are",
		"snow=2":        "no number from 0 to 1",
		"snow=-1":       "no number from 0 to 1",
		"snow=x":        "no number from 0 to 1",
		"snow=NaN":      "no number from 0 to 1",
		"snow=0_1":      "no number from 0 to 1",
		"snow=0x1p-1":   "no number from 0 to 1",
		"snow=":         "no number from 0 to 1",
		"":              "no kind of error",
		"x:":            "no kind of error",
		":fog":          "no input before its colon",
		"x:none":        "no kind of error",
		"default=.1":    "default has no sizes",
		"all=":          "all has no sizes",
		"snow=0.1;;fog": "no kind of error",
		"snow;snow=0.3": "twice",
		"snow=" + strings.Repeat(".1,", 1000) + ".1": "snow: 1001 sizes; an error has at most 1000",
		strings.Repeat("snow;", 1000) + "snow":       "1001 errors; there are at most 1000",
		"snow=.1,.10":                                "snow: the size 0.1 stands twice",
		"x:fog; x : fog":                             "twice",
	} {
		assert.ErrorContains(t, Check(text), want, text)
		_, err := Parse(text, []Input{camera})
		assert.Error(t, err, text)
	}
}

// TestErrorsFitTheirInput: what makes no sense is refused, and the message lists what does.
func TestErrorsFitTheirInput(t *testing.T) {
	for _, c := range []struct {
		text   string
		inputs []Input
		want   []string
	}{
		{"fog=.1", []Input{mono}, []string{"net.dnn:1:9", "no error of the input mono, which is a signal of 1 channel of 16 samples", "fog is an error of image inputs", "the errors that fit it are gaussian drift gain dropout spikes saturation shift burst;"}},
		{"channel-dropout", []Input{mono}, []string{"a signal of several channels, and this one has one"}},
		{"shift", []Input{{Name: "x", Holds: audio.Holds, Shape: []int{3, 1}, High: 1}}, []string{"a signal of several samples, and this one has one"}},
		{"drift", []Input{camera}, []string{"which is an image [1,8,8]", "drift is an error of signal, features inputs", "the errors that fit it are light occl"}},
		{"shift", []Input{sensors5}, []string{"shift is an error of signal inputs", "the errors that fit it are gaussian drift gain dropout spikes saturation;"}},
		{"fog", []Input{audio, camera}, []string{"it fits the input camera: camera:fog"}},
		{"camera:drift", []Input{camera, audio}, []string{"it fits the input audio: audio:drift"}},
		{"adio:drift", []Input{camera, audio}, []string{"the network has no input adio", `did you mean "audio"`, "its inputs are camera audio"}},
		{"gaussian;audio:gaussian", []Input{audio}, []string{"the error gaussian stands twice"}},
		{"default;gaussian=.1", []Input{audio}, []string{"the error gaussian stands twice"}},
		{"all;all", []Input{audio}, []string{"stands twice"}},
		{"gaussian", []Input{{Name: "x", Holds: camera.Holds, Shape: camera.Shape, Low: -3e38, High: 3e38}}, []string{"no width that an error could be a share of"}},
		{"gaussian", []Input{{Name: "x", Holds: camera.Holds, Shape: camera.Shape, Low: 1, High: 1}}, []string{"no width that an error could be a share of"}},
	} {
		_, err := Parse(c.text, c.inputs)
		for _, want := range c.want {
			assert.ErrorContains(t, err, want, c.text)
		}
	}
}

func TestSaid(t *testing.T) {
	assert.Equal(t, "input camera is an image [1,8,8]", Said([]Input{camera}))
	assert.Equal(t, "input mono is a signal of 1 channel of 16 samples", Said([]Input{mono}))
	assert.Equal(t, "inputs camera is an image [1,8,8], sensors is 5 features, audio is a signal of 2 channels of 16 samples (disturbed by errors that name no input)", Said([]Input{audio, camera, sensors5}))
}

// TestOtherInputsStay: an error disturbs its input alone, as it does where that is the only
// one.
func TestOtherInputsStay(t *testing.T) {
	inputs := []Input{camera, audio, sensors5}
	parts := []data.Batch{data.Synthesize(camera.Shape, 0, 1, 4, 1), data.Synthesize(audio.Shape, -1, 1, 4, 2), data.Synthesize(sensors5.Shape, -9, 9, 4, 3)}
	all := data.Join(parts...)
	for i, in := range inputs {
		for _, k := range Fitting(in) {
			alone, err := Parse(k.Name+"=.6", []Input{in})
			require.NoError(t, err)
			joined, err := Parse(in.Name+":"+k.Name+"=.6", inputs)
			require.NoError(t, err)
			want := append([]data.Batch(nil), parts...)
			zeros := func(b data.Batch) ([]float32, []float32, error) { return make([]float32, len(b.X)), nil, nil }
			want[i], err = Images(parts[i], 7, alone[0], 1, zeros)
			require.NoError(t, err)
			got, err := Images(all, 7, joined[0], 1, zeros)
			require.NoError(t, err)
			assert.Equal(t, data.Join(want...).X, got.X, "%s of %s", k.Name, in.Name)
			if !k.Guided {
				assert.NotEqual(t, all.X, got.X, "%s of %s", k.Name, in.Name)
			}
		}
	}
}
