package command_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/certificate"
)

// TestReadmeListsWarnings holds the README of this folder to dnnc help warnings.
func TestReadmeListsWarnings(t *testing.T) {
	code, want, stderr := dnnctest.Run(t, "help", "warnings")
	require.Zero(t, code, stderr)
	rowsAreWhole(t, want)
	generated(t, dnnctest.Root+"/cmd/dnnc/README.md", "warnings", "ReadmeListsWarnings", want)
}

// TestWarningsAreInTheTable: each name that a warning is made with is a row.
func TestWarningsAreInTheTable(t *testing.T) {
	used := map[string]bool{}
	made := regexp.MustCompile(`diag\.Warn\(diag\.(\w+)`)
	declared := map[string]string{}
	text, err := os.ReadFile(dnnctest.Root + "/ir/diag/warning.go")
	require.NoError(t, err)
	for _, m := range regexp.MustCompile(`(?m)^\t(\w+) += "([a-z0-9-]+)"$`).FindAllStringSubmatch(string(text), -1) {
		declared[m[1]] = m[2]
	}
	require.NoError(t, filepath.WalkDir(dnnctest.Root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range made.FindAllStringSubmatch(string(text), -1) {
			used[declared[m[1]]] = true
		}
		return err
	}))
	names := diag.WarningNames()
	assert.Len(t, used, len(names))
	for _, name := range names {
		assert.True(t, used[name], "nothing warns of %s", name)
	}
}

// TestWarnings: a warning is printed unless it is silenced, stands in the certificate
// always, and is an error where -Werror says so: then nothing is written.
func TestWarnings(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	const warning = "dnnc: warning: [no-calibration] no calibration data"
	for _, c := range []struct {
		name, flags string
		code        int
		warns       bool
	}{
		{"as it is", "", command.Done, true},
		{"silenced", "-Wno-no-calibration", command.Done, false},
		{"silenced, and no longer", "-Wno-no-calibration -Wno-no-calibration=false", command.Done, true},
		{"an error", "-Werror", command.AtFault, true},
		{"an error no longer", "-Werror -Werror=false", command.Done, true},
		{"an error by its name", "-Werror=seen-images,no-calibration", command.AtFault, true},
		{"another is an error", "-Werror=seen-images", command.Done, true},
		{"an error that is silenced", "-Werror -Wno-no-calibration", command.Done, false},
		{"unknown to -Werror", "-Werror=calibration", command.BadUsage, false},
		{"unknown to -Wno", "-Wno-calibration", command.BadUsage, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "net.c")
			args := append([]string{path("value.dnn"), "-target", "x86_64", "-images", "4", "-emit", "c", "-o", out}, strings.Fields(c.flags)...)
			code, _, stderr := dnnctest.Run(t, args...)
			assert.Equal(t, c.code, code, stderr)
			assert.Equal(t, c.warns, strings.Contains(stderr, warning), stderr)
			raw, err := os.ReadFile(strings.TrimSuffix(out, ".c") + ".json")
			if c.code != command.Done {
				assert.ErrorIs(t, err, os.ErrNotExist)
				assert.NoFileExists(t, out)
				return
			}
			require.NoError(t, err)
			var cert certificate.Certificate
			require.NoError(t, json.Unmarshal(raw, &cert))
			require.NotEmpty(t, cert.Warnings)
			assert.Equal(t, diag.NoCalibration, cert.Warnings[0].Name)
			assert.NotEmpty(t, cert.Warnings[0].Help)
		})
	}
}

// TestWerrorOfOtherCommands: the exit code tells, although they print their results.
func TestWerrorOfOtherCommands(t *testing.T) {
	args := []string{"eval", dnnctest.Lenet, "-errors", "none", "-images", "16", "-n", "10", "-data", dnnctest.TrainImages}
	code, stdout, stderr := dnnctest.Run(t, append(args, "-Werror")...)
	assert.Equal(t, command.AtFault, code, stderr)
	assert.Contains(t, stderr, "check-failed: -Werror: warnings that are errors: seen-images")
	assert.Contains(t, stdout, "clean")
	code, _, stderr = dnnctest.Run(t, append(args, "-Werror", "-Wno-seen-images")...)
	assert.Zero(t, code, stderr)
}

// TestFidelityOfBuilds: every build says how near each result comes to the float network,
// prints - for what has no answers, and -report fidelity lists the layers.
func TestFidelityOfBuilds(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	for _, c := range []struct {
		name, network string
		flags         []string
		lines         []string // of standard error
	}{
		{"classes", "classes", nil, []string{`fidelity: s \d+\.\d dB, equal answers on \d+\.\d % of 80 calibration images; most is lost in \w+`}},
		{"one number", "value", nil, []string{`fidelity: fc1 \d+\.\d dB on 80 calibration images; most is lost in \w+`}},
		{"two results", "detector", nil, []string{`fidelity: fc \d+\.\d dB on 80`, `fidelity: box \d+\.\d dB on 80`}},
		{"two results, one of classes", "detector", []string{"-task", "fc=classes, box=values weight: 2"}, []string{`fidelity: fc \d+\.\d dB, equal answers on \d+\.\d % of`, `fidelity: box \d+\.\d dB \(-?\d+\.\d over its spread\) on 80`}},
		{"far", "value", []string{"-O", "universal", "-bits", "1", "-rounding", "nearest"},
			[]string{`dnnc: warning: \[low-fidelity\] the integers are far from the float network: on 64 calibration images fc1 has -?\d+\.\d dB\n    help: most is lost in \w+, whose weights are odd1: -fix \w+=8, or a greater budget; -report fidelity lists the layers\n`}},
		{"far after a search", "value", []string{"-O", "robust", "-bits", "1.2", "-formats", "odd1", "-task", "values", "-errors", "gaussian=0.1", "-images", "64", "-activations", "8"},
			[]string{`dnnc: warning: \[low-fidelity\] [^\n]+\n    help: most is lost in \w+, whose weights are odd1: a greater budget, or -keep, [^\n]* the robust accuracy may fall; -report fidelity lists the layers\n`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "net.c")
			args := append([]string{path(c.network + ".dnn"), "-target", "x86_64", "-calib", path("data.npz"), "-emit", "c", "-report", "fidelity", "-o", out}, c.flags...)
			code, stdout, stderr := dnnctest.Run(t, args...)
			require.Zero(t, code, stderr)
			for _, line := range c.lines {
				assert.Regexp(t, line, stderr)
			}
			assert.Regexp(t, `(?m)^ *conv +\d+\.\d dB +\d+\.\d %$`, stdout)
			raw, err := os.ReadFile(strings.TrimSuffix(out, ".c") + ".json")
			require.NoError(t, err)
			var cert certificate.Certificate
			require.NoError(t, json.Unmarshal(raw, &cert))
			require.NotNil(t, cert.Fidelity)
			assert.Equal(t, map[bool]int{true: 80, false: 64}[len(c.flags) < 4], cert.Fidelity.Images, "a search leaves out what judges")
			for _, n := range cert.Fidelity.Results {
				assert.NotNil(t, n.SQNR)
				assert.Equal(t, c.network == "classes" || n.Name == "fc" && c.flags != nil, n.Agreement != nil)
			}
			assert.Equal(t, strings.HasPrefix(c.name, "far"), len(cert.Warnings) > 0)
		})
	}
}

// TestNarrowResults: a result of values has 16 bits, whatever computes it, unless the network
// reads it itself; then the build says why. Its object computes what the interpreter does.
func TestNarrowResults(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	const linear = "  fc = linear(flat, units: 3)\n"
	for _, c := range []struct {
		results, text, types string
		why                  []string // of each result; "" of 16 bits
	}{
		{"f32[3] values", "  return fc\n", "i16[3] values", []string{""}},
		{"f32[3] values", "  y = relu(fc)\n  return y\n", "i16[3] values", []string{""}},
		{"f32[3] multilabel", "  y = sigmoid(fc)\n  return y\n", "i8[3] multilabel", []string{""}},
		{"f32[3] values", "  y = sigmoid(fc)\n  return y\n", "i16[3] values", []string{""}},
		{"f32[3,1] values", "  y = reshape(fc, shape: [3,1])\n  return y\n", "i16[3,1] values", []string{""}},
		{"f32[6,1,1] values", "  y = globalavgpool(conv)\n  return y\n", "i16[6,1,1] values", []string{""}},
		{"f32[3] values", "  y = add(fc, fc)\n  return y\n", "i16[3] values", []string{""}},
		{"f32[3] values", "  y = softmax(fc)\n  return y\n", "i16[3] values", []string{""}},
		{"f32[3] values, f32[3] classes", "  y = softmax(fc)\n  return fc, y\n", "i8[3] values, i8[3] classes", []string{"softmax reads it, too", ""}},
		{"f32[3] values, f32[3,1] values", "  y = reshape(fc, shape: [3,1])\n  return fc, y\n", "i16[3] values, i16[3,1] values", []string{"", ""}},
		{"f32[3] values, f32[1] values", "  fc1 = linear(flat, units: 1)\n  return fc, fc1\n", "i16[3] values, i16[1] values", []string{"", ""}},
		{"f32[3] values, f32[1] binary", "  fc1 = linear(flat, units: 1)\n  return fc, fc1\n", "i16[3] values, i8[1] binary", []string{"", ""}},
	} {
		text := "tensors \"w.safetensors\"\nnetwork n(image: f32[1,8,8] in [0,1]) -> " + c.results + " {\n  conv = conv2d(image, filters: 6, kernel: 3)\n  flat = flatten(conv)\n"
		if strings.Contains(c.text, "fc") {
			text += linear
		}
		require.NoError(t, os.WriteFile(path("n.dnn"), []byte(text+c.text+"}\n"), 0o644))
		code, _, stderr := dnnctest.Run(t, path("n.dnn"), "-target", "armv7em", "-calib", path("data.npz"), "-emit", "c,ir", "-o", path("n.c"))
		require.Zero(t, code, "%s: %s", c.text, stderr)
		raw, err := os.ReadFile(path("n.out.dnn"))
		require.NoError(t, err)
		assert.Contains(t, string(raw), "-> "+c.types+" {", c.text)
		raw, err = os.ReadFile(path("n.json"))
		require.NoError(t, err)
		var cert struct {
			Fidelity struct {
				Results []struct {
					Why       string `json:"eight_bits"`
					Agreement *float64
				}
			}
		}
		require.NoError(t, json.Unmarshal(raw, &cert))
		said := 0
		for i, why := range c.why {
			assert.Equal(t, why, cert.Fidelity.Results[i].Why, c.text)
			if why != "" {
				said++
				assert.Contains(t, stderr, "; 8 bits, not 16, as "+why+"\n", c.text)
				assert.Nil(t, cert.Fidelity.Results[i].Agreement, "%s: numbers give no answer, a softmax or not", c.text)
			}
		}
		assert.Equal(t, said, strings.Count(stderr, "not 16"), "%s: %s", c.text, stderr)
		code, _, stderr = dnnctest.Run(t, "verify", path("n.dnn"), "-target", "x86_64", "-calib", path("data.npz"), "-data", path("more.npz"), "-n", "20")
		assert.Zero(t, code, "%s: %s", c.text, stderr)
	}
}

// TestFidelityOfDumps: a dump that has its ranges is compared on images that are named, and
// on none otherwise; one of integers has no float network.
func TestFidelityOfDumps(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	code, _, stderr := dnnctest.Run(t, path("classes.dnn"), "-target", "x86_64", "-calib", path("data.npz"), "-emit", "c", "-dump-dir", path("dumps"), "-o", path("net.c"))
	require.Zero(t, code, stderr)
	for _, c := range []struct {
		dump  string // the pass
		flags []string
		none  bool
	}{
		{"robust", []string{"-calib", path("data.npz")}, false}, {"robust", nil, true}, {"quantize", nil, true},
	} {
		dumps, err := filepath.Glob(path("dumps/*-" + c.dump + ".dnn"))
		require.NoError(t, err)
		require.Len(t, dumps, 1)
		code, _, stderr := dnnctest.Run(t, append([]string{dumps[0], "-target", "x86_64", "-emit", "c", "-o", path("again.c")}, c.flags...)...)
		require.Zero(t, code, stderr)
		assert.Equal(t, c.none, strings.Contains(stderr, "fidelity: - "), stderr)
		assert.NotContains(t, stderr, "warning")
	}
}
