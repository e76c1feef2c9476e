package command_test

import (
	"encoding/json"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/frontend/weights"
)

// quick is what keeps a search on a network of SensorsFolder short.
var quick = []string{"-images", "40", "-n", "30", "-formats", "odd2,odd4,odd8"}

// on is a command on a network of SensorsFolder with its data.
func on(path func(string) string, command, network string, more ...string) []string {
	args := []string{command, path(network + ".dnn"), "-calib", path(network + ".npz"), "-data", path(network + ".test.npz")}
	return append(append(args, quick...), more...)
}

// TestSignalsEverywhere: every command that takes -errors takes those of signals and of
// features, says what the input holds, and lists each error.
func TestSignalsEverywhere(t *testing.T) {
	path := dnnctest.SensorsFolder(t)
	const signal, features = "input wave is a signal of 2 channels of 32 samples", "input gauge is 6 features"
	for _, c := range []struct {
		network, errors, says string
		names                 []string
	}{
		{"tones", "drift=.2;channel-dropout=.3;shift=.2;burst=.2", signal, []string{"drift", "channel-dropout", "shift", "burst"}},
		{"steps", "gain=.5;dropout=.2;spikes=.05;saturation=.6;gaussian=.1", signal, []string{"gain", "dropout", "spikes", "saturation", "gaussian"}},
		{"sensors", "drift=.2;gain=.5;dropout=.2;spikes=.05;saturation=.5;gaussian=.1", features, []string{"drift", "gain", "dropout", "spikes", "saturation", "gaussian"}},
	} {
		run := func(name string, more ...string) string {
			code, stdout, stderr := dnnctest.Run(t, on(path, name, c.network, append([]string{"-errors", c.errors}, more...)...)...)
			require.Zero(t, code, "%s %s: %s", name, c.network, stderr)
			line, _, _ := strings.Cut(stdout, "\n")
			assert.Contains(t, line, c.says, name)
			return stdout
		}
		out := run("eval", "-O", "robust", "-bits", "3")
		for _, name := range c.names {
			assert.Regexp(t, `(?m)^ +`+name+` +[.0-9]+ `, out)
		}
		run("compare", "-sizes", "3", "-methods", "qed,universal")
		run("pareto", "-sizes", "3")
		run("report", "-sizes", "3", "-methods", "qed,universal", "-o", path("report.html"))
		page, err := os.ReadFile(path("report.html"))
		require.NoError(t, err)
		for _, name := range c.names {
			assert.Contains(t, string(page), name)
		}
		if c.network != "sensors" { // whose answer is not right or wrong
			out = run("eval", "-O", "universal", "-bits", "2", "-boundary")
			for _, name := range c.names {
				assert.Regexp(t, `(?m)^ +`+name+` +float `, out)
			}
			run("eval", "-plane", path("plane.png"), "-directions", "gain=.5;gaussian=.3")
		}
	}
}

// TestKeepUnderSignalErrors: -keep is a share of what the network does under them.
func TestKeepUnderSignalErrors(t *testing.T) {
	path := dnnctest.SensorsFolder(t)
	code, stdout, stderr := dnnctest.Run(t, on(path, "eval", "tones", "-O", "robust", "-keep", ".5", "-objective", "worst", "-calib", path("bare.npz"), "-data", path("bare.test.npz"))...)
	require.Zero(t, code, stderr)
	line, _, _ := strings.Cut(stdout, "\n")
	assert.Contains(t, line, "input wave is a signal of 2 channels of 32 samples, errors by default: gaussian=0.02,0.05;drift=0.1,0.2;gain=0.2,0.5;dropout=0.05,0.15")
	for _, kind := range []string{"gaussian  0.05", "drift   0.2", "gain   0.5", "dropout  0.15"} {
		assert.Contains(t, stdout, kind)
	}
}

// TestErrorsOfSeveralInputs: each goes to the input that it names, or to the first.
func TestErrorsOfSeveralInputs(t *testing.T) {
	path := dnnctest.SensorsFolder(t)
	code, stdout, stderr := dnnctest.Run(t, on(path, "eval", "both", "-errors", "gain=.5;image:fog=.3;image:gaussian=.1;gaussian=.1", "-O", "robust", "-bits", "4")...)
	require.Zero(t, code, stderr)
	line, table, _ := strings.Cut(stdout, "\n")
	assert.Contains(t, line, "inputs image is an image [1,8,8], audio is a signal of 2 channels of 32 samples (disturbed by errors that name no input)")
	for _, kind := range []string{"gain", "image:fog", "image:gaussian", "gaussian"} {
		assert.Regexp(t, `(?m)^ +`+kind+` +[.0-9]+ `, table)
	}
	for errors, want := range map[string]string{
		"fog=.3":        "it fits the input image: image:fog",
		"image:gain=.3": "it fits the input audio: audio:gain",
		"imag:fog=.3":   `did you mean "image"?`,
		"image:fgo=.3":  `did you mean "fog"?`,
		"image:fog=3":   "no number from 0 to 1",
	} {
		code, stdout, stderr := dnnctest.Run(t, on(path, "eval", "both", "-errors", errors)...)
		assert.Equal(t, command.AtFault, code, errors)
		assert.Contains(t, stderr, want, errors)
		assert.Empty(t, stdout, errors)
	}
	// A guided error of the second input follows its part of the gradient.
	code, stdout, stderr = dnnctest.Run(t, on(path, "eval", "both", "-errors", "image:light=.4;image:light-random=.4")...)
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "image:light ")
}

// TestErrorsThatMakeNoSense are refused by every command before any work.
func TestErrorsThatMakeNoSense(t *testing.T) {
	path := dnnctest.SensorsFolder(t)
	for _, words := range [][]string{
		{"eval"}, {"eval", "-O", "robust", "-bits", "3"}, {"eval", "-boundary"}, {"compare"}, {"pareto"}, {"report", "-o", path("r.html")},
		{"build", "-O", "robust", "-target", "x86_64", "-o", path("o.o")}, {"build", "-target", "x86_64", "-emit", "c", "-o", path("o.c")},
	} {
		code, stdout, stderr := dnnctest.Run(t, append(on(path, words[0], "tones", words[1:]...), "-errors", "fog=.3")...)
		assert.Equal(t, command.AtFault, code, "%v", words)
		assert.Empty(t, stdout, "%v", words)
		assert.Contains(t, stderr, "tones.dnn:2:15: bad-value: no error of the input wave, which is a signal of 2 channels of 32 samples: fog is an error of image inputs", "%v", words)
		assert.Contains(t, stderr, "the errors that fit it are gaussian drift gain dropout channel-dropout spikes saturation shift burst", "%v", words)
		for _, out := range []string{"r.html", "o.o", "o.c"} {
			assert.NoFileExists(t, path(out))
		}
	}
}

// TestKindOfAModel: -kind says what an input of a model holds; a text says it itself.
func TestKindOfAText(t *testing.T) {
	path := dnnctest.SensorsFolder(t)
	for kind, want := range map[string]string{
		"wave=signal":         "-kind is for inputs of models; a text says its own",
		"signl":               "did you mean signal?",
		"wave=signal axis: y": "no whole number",
	} {
		code, _, stderr := dnnctest.Run(t, on(path, "eval", "tones", "-kind", kind)...)
		assert.NotZero(t, code, kind)
		assert.Contains(t, stderr, want, kind)
	}
}

// TestDisturbSignals: values are those that a measurement has, and a drawing is not empty.
func TestDisturbSignals(t *testing.T) {
	path := dnnctest.SensorsFolder(t)
	run := func(args ...string) string {
		code, stdout, stderr := dnnctest.Run(t, append([]string{"disturb"}, args...)...)
		require.Zero(t, code, "%v: %s", args, stderr)
		return stdout
	}
	out := run("-errors", "dropout=.5", "-network", path("tones.dnn"), path("tones.npz"), "-n", "20", "-o", path("out.npz"))
	assert.Equal(t, "input wave is a signal of 2 channels of 32 samples\n", out)
	raw, err := os.ReadFile(path("out.npz"))
	require.NoError(t, err)
	f, err := weights.Parse(raw)
	require.NoError(t, err)
	x, ok := f.Tensor("wave")
	require.True(t, ok)
	assert.Equal(t, []int{20, 2, 32}, []int(x.Shape))
	reals, err := x.Float32()
	require.NoError(t, err)
	lost := 0
	for i := range 20 * 32 {
		if at := i/32*64 + i%32; reals[at] == 0 && reals[at+32] == 0 {
			lost++
		}
	}
	assert.InDelta(t, 320, lost, 60)
	labels, ok := f.Tensor("labels")
	require.True(t, ok)
	assert.Equal(t, []int{20}, []int(labels.Shape))
	code, _, stderr := dnnctest.Run(t, "eval", path("tones.dnn"), "-data", path("out.npz"), "-errors", "none", "-images", "16")
	assert.Zero(t, code, stderr)

	rows := map[string]int{}
	for name, args := range map[string][]string{
		"tones":   {"-network", path("tones.dnn"), path("tones.npz")},
		"steps":   {"-network", path("steps.dnn"), path("steps.npz")},
		"sensors": {"-network", path("sensors.dnn"), path("sensors.npz")},
	} {
		run(append(args, "-sheet", path(name+".png"))...)
		file, err := os.Open(path(name + ".png"))
		require.NoError(t, err)
		img, err := png.Decode(file)
		require.NoError(t, err)
		rows[name] = (img.Bounds().Dy() - 32) / 128
	}
	assert.Equal(t, map[string]int{"tones": 9, "steps": 9, "sensors": 6}, rows, "a row for each kind that fits")
	run("-errors", "gain=.5", "-network", path("sensors.dnn"), path("sensors.npz"), "-n", "1", "-o", path("one.png"))

	for want, args := range map[string][]string{
		"is written as .npz, or drawn as .png": {"-errors", "gain=.5", "-network", path("tones.dnn"), path("tones.npz"), "-o", path("y.bin")},
		"are no picture":                       {"-errors", "gain=.5", "-network", path("tones.dnn"), path("tones.npz"), "-o", path("y.png")},
		"fog is an error of image inputs":      {"-errors", "fog=.5", "-network", path("tones.dnn"), path("tones.npz"), "-o", path("y.npz")},
		"dnnc disturb is of networks of one":   {"-errors", "gain=.5", "-network", path("both.dnn"), path("both.npz"), "-o", path("y.npz")},
		"without -network there is no input":   {"-errors", "gain=.5", "-kind", "a=signal", dnnctest.TestImages, "-n", "1", "-o", path("y.npz")},
		"an axis is of a signal":               {"-errors", "gain=.5", "-kind", "features axis: 1", dnnctest.TestImages, "-n", "1", "-o", path("y.npz")},
	} {
		code, _, stderr := dnnctest.Run(t, append([]string{"disturb"}, args...)...)
		assert.Equal(t, command.AtFault, code, want)
		assert.Contains(t, stderr, want)
		assert.NoFileExists(t, path("y.npz"))
	}
	// Rows of a picture as channels of a signal, without a network.
	out = run("-errors", "burst=.3", "-kind", "signal", dnnctest.TestImages, "-n", "3", "-o", path("rows.npz"))
	assert.Equal(t, "input x is a signal of 28 channels of 28 samples\n", out)
}

// TestCertificateOfASignal: the errors by default stand in it one by one.
func TestCertificateOfASignal(t *testing.T) {
	path := dnnctest.SensorsFolder(t)
	code, _, stderr := dnnctest.Run(t, on(path, "build", "tones", "-O", "robust", "-bits", "4", "-target", "x86_64", "-emit", "c", "-o", path("tones.c"))...)
	require.Zero(t, code, stderr)
	raw, err := os.ReadFile(path("tones.json"))
	require.NoError(t, err)
	var got struct {
		Errors []string
		Recipe struct{ Errors string }
	}
	require.NoError(t, json.Unmarshal(raw, &got))
	assert.Equal(t, []string{"gaussian=0.02", "gaussian=0.05", "drift=0.1", "drift=0.2", "gain=0.2", "gain=0.5", "dropout=0.05", "dropout=0.15"}, got.Errors)
	assert.Equal(t, "gaussian=0.02,0.05;drift=0.1,0.2;gain=0.2,0.5;dropout=0.05,0.15", got.Recipe.Errors)
}

// TestSoundsSayTheirRate: a network declares no rate, so that the first lines say the
// recordings'.
func TestSoundsSayTheirRate(t *testing.T) {
	path := dnnctest.SensorsFolder(t)
	stereo := func(rate string) string {
		return "RIFF\xa4\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x02\x00" + rate + "\x00\x7d\x00\x00\x04\x00\x10\x00data\x80\x00\x00\x00" + strings.Repeat("\x00\x20", 64)
	}
	for rate, want := range map[string]string{"\x40\x1f\x00\x00": "8000 Hz, 2 channels", "\x80\xbb\x00\x00": "48000 Hz, 2 channels"} {
		for _, class := range []string{"a", "b", "c"} {
			file := path(filepath.Join("sounds", class, "x.wav"))
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
			require.NoError(t, os.WriteFile(file, []byte(stereo(rate)), 0o644))
		}
		out := dnnctest.Succeed(t, "eval", path("tones.dnn"), "-calib", path("tones.npz"), "-images", "8", "-data", path("sounds"), "-errors", "none")
		assert.Contains(t, out, want)
	}
}

// TestExperimentOfSignals: an experiment takes the errors of signals; one that does not fit
// names the key that has it.
func TestExperimentOfSignals(t *testing.T) {
	path := dnnctest.SensorsFolder(t)
	write := func(measured, boundary string) string {
		file := path("tones.exp")
		require.NoError(t, os.WriteFile(file, []byte(fmt.Sprintf(`name: tones
network: tones.dnn
calibration: tones.npz
test: tones.test.npz
errors: drift=0.1
measured: %s
methods: qed, universal
budgets: 2
images: 16
judged: 8
test-images: 24
boundary: %s
boundary-images: 4
`, measured, boundary)), 0o644))
		return file
	}
	page := path("report.html")
	out := dnnctest.Succeed(t, "experiment", write("drift=0.1,0.2;dropout=0.1", "drift"), "-o", page)
	assert.Contains(t, out, "tones: task: classes")
	assert.Contains(t, out, "input wave is a signal of 2 channels of 32 samples")
	assert.Contains(t, out, "clean and under 2 kinds of error at 3 sizes")
	for key, file := range map[string]func() string{"measured": func() string { return write("fog=0.1", "none") }, "boundary": func() string { return write("drift=0.1", "rain") }} {
		require.NoError(t, os.RemoveAll(page))
		code, _, stderr := dnnctest.Run(t, "experiment", file(), "-o", page)
		assert.Equal(t, command.AtFault, code)
		assert.Contains(t, stderr, "is an error of image inputs\n    note: the key "+key+" of tones.exp has it\n    help: the errors that fit it are gaussian drift")
		assert.NoFileExists(t, page)
	}
}

// TestKindOfModels: -kind says what an input of an ONNX or of a TensorFlow Lite model holds,
// from the first line to the certificate.
func TestKindOfModels(t *testing.T) {
	folder := filepath.Join(dnnctest.Root, "frontend/tflite/testdata/unidirectional_sequence_lstm_1")
	for _, c := range []struct{ model, task, kind, errors, said string }{
		{filepath.Join(dnnctest.Root, "testdata/tasks/ae.onnx"), "reconstruction", "", "fog-blend=.1", "input image is an image [3,32,32]"},
		{filepath.Join(dnnctest.Root, "testdata/tasks/ae.onnx"), "reconstruction", "image=signal axis: 1", "drift=.1;burst=.1", "input image is a signal of 96 channels of 32 samples"},
		{filepath.Join(folder, "model.tflite"), "values", "", "drift=.1;shift=.5", "input t0 is a signal of 5 channels of 4 samples"},
		{filepath.Join(folder, "model.tflite"), "values", "signal", "drift=.1", "input t0 is a signal of 5 channels of 4 samples"},
		{filepath.Join(folder, "model.tflite"), "values", "signal axis: 1", "drift=.1", "input t0 is a signal of 4 channels of 5 samples"},
		{filepath.Join(folder, "model.tflite"), "values", "features", "spikes=.1", "input t0 is 20 features"},
	} {
		flags := []string{c.model, "-task", c.task, "-errors", c.errors, "-n", "8", "-images", "8"}
		if c.kind != "" {
			flags = append(flags, "-kind", c.kind)
		}
		out := dnnctest.Succeed(t, append([]string{"eval"}, flags...)...)
		assert.Contains(t, out, c.said, "%v", c)
		code, _, stderr := dnnctest.Run(t, append([]string{"eval"}, append(flags, "-errors", "manhole=.1;channel-dropout=.1")...)...)
		assert.Equal(t, command.AtFault, code, "no input is both")
		assert.Contains(t, stderr, "no error of the input", "%v", c)
	}
}
