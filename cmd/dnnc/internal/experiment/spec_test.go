package experiment

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir/diag"
)

const least = "name: n\nnetwork: n.dnn\nbudgets: 1, 2.5\n"

func TestParse(t *testing.T) {
	x, err := Parse("dir/x.exp", least+`
# a comment
errors: gaussian=0.1;fog   # and another
methods: universal qed
seeds: 3, 1
formats: odd2, vec
few-images: 8 16
origin: somewhere (https://example.org)

quick:
  budgets: 2
  seeds: 7
`, false)
	require.NoError(t, err)
	assert.Equal(t, []float64{1, 2.5}, x.Budgets)
	assert.Equal(t, "gaussian=0.1;fog", x.Errors)
	assert.Equal(t, []string{"universal", "qed"}, x.Methods)
	assert.Equal(t, []uint64{3, 1}, x.Seeds)
	assert.Equal(t, []string{"odd2", "vec"}, x.Formats)
	assert.Equal(t, []int{8, 16}, x.FewImages)
	assert.Equal(t, "somewhere (https://example.org)", x.Origin)
	assert.Equal(t, 512, x.Images, "a default")

	x, err = Parse("x.exp", least+"seeds: 1\r\nquick:\r\n  budgets: 2\r\n  seeds: 7\r\n", true)
	require.NoError(t, err)
	assert.Equal(t, []float64{2}, x.Budgets)
	assert.Equal(t, []uint64{7}, x.Seeds)
}

func TestBadExperiments(t *testing.T) {
	for text, want := range map[string]string{
		"":                    "x.exp:1:1: bad-value: no name",
		"name: n\nnetwork: n": "x.exp:1:1: bad-value: no budgets",
		least + "budget: 1":   `x.exp:4:1: bad-value: no key "budget"`,
		least + "a line":      "x.exp:4:1: bad-value: no colon",
		least + "name: m":     "x.exp:4:1: bad-value: name stands twice",
		least + "seeds:":      "x.exp:4:1: bad-value: seeds has no value",
		least + "seeds: one":  `x.exp:4:8: bad-value: "one" is no whole number`,
		least + "seeds: " + strings.Repeat("1 ", 1001): "x.exp:4:8: limit: a list of 1001; an experiment has at most 1000 of anything",
		least + "seeds: 1, 1":                          "x.exp:4:8: bad-value: 1 stands twice",
		least + "images: 0":                            `x.exp:4:9: bad-value: "0" is no whole number`,
		least + "detail: -1":                           `x.exp:4:9: bad-value: "-1" is no number above 0`,
		least + "detail: NaN":                          `x.exp:4:9: bad-value: "NaN"`,
		least + "efforts: 0.3, 0.1":                    "x.exp:4:10: bad-value: 0.3, 0.1 do not rise",
		least + "methods: qde":                         `did you mean "qed"?`,
		least + "errors: fogg":                         `did you mean "fog"?`,
		least + "formats: old3":                        "x.exp:4:10: width",
		least + "ablation: object":                     "x.exp:4:11: bad-value",
		least + "target: arm":                          "x.exp:4:9: bad-value",
		least + "quick:\n seeds: x":                    "x.exp:5:9: bad-value", // also when it is not asked for
		least + "quick:\nquick:":                       "x.exp:5:1: bad-value: the section quick stands twice",
		least + "quick:\n seeds: 1\nseeds:1":           "x.exp:6:1: bad-value: seeds stands twice",
		least + "formats: ,":                           "x.exp:4:10: bad-value: an empty list",
		least + "boundary: gausian":                    `did you mean "gaussian"?`,
		least + "boundary: audio:gausian":              `did you mean "gaussian"?`,
		least + "boundary: fog=.1":                     "without sizes",
		least + "boundary: fog, fog":                   "stands twice",
		least + "boundary: all":                        "all is no kind of error",
		least + "errors: x:fog;x:fog":                  "the error fog stands twice",
		least + "images: 99999999":                     "x.exp:4:9: bad-value",
	} {
		_, err := Parse("x.exp", text, false)
		var d *diag.Diagnostic
		if assert.ErrorAs(t, err, &d, text) {
			assert.Contains(t, err.Error(), want, text)
		}
	}
	// All faults at once.
	_, err := Parse("x.exp", "nam: n\nseeds: x\n", false)
	assert.ErrorContains(t, err, "x.exp:1:1")
	assert.ErrorContains(t, err, "x.exp:2:8")
}

// TestShippedExperiments reads the files of the project, quick and not, and finds the
// networks that they name.
func TestShippedExperiments(t *testing.T) {
	files, err := filepath.Glob("../../../../" + Folder + "/*.exp")
	require.NoError(t, err)
	require.Len(t, files, 4)
	for _, path := range files {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, quick := range []bool{false, true} {
			x, err := Parse(path, string(text), quick)
			require.NoError(t, err)
			if !quick {
				assert.GreaterOrEqual(t, len(x.Seeds), 3, path)
			}
			x.locate("", func(string) bool { return true })
			assert.FileExists(t, x.Network)
		}
	}
}

func TestLocate(t *testing.T) {
	x := &Experiment{Path: "a/x.exp", Network: "../n.dnn", Calibration: "c/train", Test: "/t/test"}
	there := map[string]bool{"/data/c/train": true, "/t/test": true}
	assert.Empty(t, x.locate("/data", func(p string) bool { return there[p] }))
	assert.Equal(t, []string{"n.dnn", "/data/c/train", "/t/test"}, []string{x.Network, x.Calibration, x.Test})
	y := &Experiment{Path: "a/x.exp", Network: "n.dnn", Calibration: "c/train", Test: "c/test", Origin: "CIFAR-10"}
	missing := y.locate("", func(p string) bool { return p == "a/c/test" })
	assert.Equal(t, []string{"c/train"}, missing)
	t.Setenv(DataVariable, "")
	said := absent(y, missing).Error()
	for _, part := range []string{"no c/train", "looked for in a", "DNNC_DATA", "not set", "get CIFAR-10"} {
		assert.Contains(t, said, part)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(least)
	f.Add(least + "quick:\n  budgets: 1\n")
	f.Add("methods: qed,,\nseeds: 1 1\n\x00:")
	f.Fuzz(func(t *testing.T, text string) {
		x, err := Parse("x.exp", text, strings.Contains(text, "quick"))
		if err == nil {
			assert.NotEmpty(t, x.Network)
			assert.NotEmpty(t, x.Budgets)
			assert.NotEmpty(t, x.Methods)
			assert.Positive(t, x.Images)
		}
	})
}

// TestReadmeOfExperiments holds the table of testdata/experiments/README.md to keys.
func TestReadmeOfExperiments(t *testing.T) {
	text, err := os.ReadFile("../../../../" + Folder + "/README.md")
	require.NoError(t, err)
	var told, want []string
	for _, line := range strings.Split(string(text), "\n") {
		if first, _, ok := strings.Cut(strings.TrimPrefix(line, "| `"), "` |"); ok && strings.HasPrefix(line, "| `") {
			told = append(told, strings.Split(first, "`, `")...)
		}
	}
	for _, k := range keys {
		want = append(want, k.name)
	}
	assert.ElementsMatch(t, want, told)
}

// TestActivations: 8 bits are the question that was asked before there was a choice, so that its answers stay.
func TestActivations(t *testing.T) {
	const rest = "name: n\nnetwork: n.dnn\nbudgets: 1\n"
	absent, err := Parse("n.exp", rest, false)
	require.NoError(t, err)
	for value, want := range map[string]string{"8": "", "16": "16", "auto": "auto"} {
		x, err := Parse("n.exp", rest+"activations: "+value+"\n", false)
		require.NoError(t, err)
		assert.Equal(t, want, x.setting().Activations)
		assert.Equal(t, value == "8", reflect.DeepEqual(absent.setting(), x.setting()))
	}
	_, err = Parse("n.exp", rest+"activations: 12\n", false)
	assert.ErrorContains(t, err, `"12" is none of 8 16 auto`)
}
