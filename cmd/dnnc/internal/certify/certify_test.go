package certify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/certify"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/runtime/certificate"
	"github.com/dnnc/dnnc/runtime/proof"
)

func read(t *testing.T, path string) *proof.Document {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	d, err := proof.Parse(raw)
	require.NoError(t, err)
	return d
}

// unlabelled are flags of a small network whose own answers are right: its weights are random.
var unlabelled = []string{"-labels", "none", "-task", "classes", "-images", "16", "-n", "4"}

func with(more ...string) []string {
	return append(append([]string{"certify"}, more...), unlabelled...)
}

// TestCertify proves every kind on images without labels, and holds the proof to the network,
// which another engine evaluates.
func TestCertify(t *testing.T) {
	net := dnnctest.Small(t)
	path := filepath.Join(t.TempDir(), "proof.json")
	out := dnnctest.Succeed(t, with(net, "-o", path)...)
	assert.Contains(t, out, "lenet5: 4 images; right is the network's answer without an error")
	assert.Contains(t, out, proof.Statement)
	assert.Contains(t, out, "image 3 (right: ")
	d := read(t, path)
	require.Len(t, d.Decided, 4)
	ends, never := 0, 0
	for _, x := range d.Decided {
		require.Len(t, x.Ranges, 6, "light in two directions, and four other errors")
		for _, r := range x.Ranges {
			require.NotNil(t, r.To, "its own answer is right without an error")
			if r.Then == nil {
				never++
			} else if ends++; *r.Then == x.Right {
				t.Error("the wrong answer is right")
			}
		}
	}
	assert.Greater(t, ends, 3)
	assert.Greater(t, never, 0)
	assert.Less(t, 5*d.MultiplyAdds, d.Whole)

	again := filepath.Join(t.TempDir(), "proof.json")
	dnnctest.Succeed(t, with(net, "-o", again)...)
	first, err := os.ReadFile(path)
	require.NoError(t, err)
	second, err := os.ReadFile(again)
	require.NoError(t, err)
	assert.Equal(t, string(first), string(second), "equal inputs, equal bytes")

	out = dnnctest.Succeed(t, "certify", net, "-check", path, "-labels", "none", "-images", "16")
	assert.Contains(t, out, "24 ranges of 4 images hold by the interpreter: right at both ends and at 96 random sizes inside")
	out = dnnctest.Succeed(t, "certify", net, "-check", path, "-labels", "none", "-images", "16", "-points", "9")
	assert.Contains(t, out, "at 216 random sizes inside")

	// A range that says too much, and one that ends too early, each with a sum of its own.
	dnnctest.Succeed(t, append(with(net, "-o", path, "-errors", "light;darken"), "-n", "2")...)
	first, err = os.ReadFile(path)
	require.NoError(t, err)
	for name, change := range map[string]func(r *proof.Range){
		"further": func(r *proof.Range) {
			require.NoError(t, json.Unmarshal([]byte(`"1"`), r.To))
			r.Including, r.Then = true, nil
		},
		"not so far": func(r *proof.Range) { require.NoError(t, json.Unmarshal([]byte(`"1/510"`), r.To)) },
		"another":    func(r *proof.Range) { *r.Then = (*r.Then + 1) % 10 },
		"missing":    func(r *proof.Range) { r.Then = nil },
		"of another": func(r *proof.Range) { r.Kind = "darken" },
		"distinct":   func(r *proof.Range) { r.Distinct++ },
	} {
		d := read(t, path)
		changed := false
		for i := range d.Decided {
			for j := range d.Decided[i].Ranges {
				if r := &d.Decided[i].Ranges[j]; !changed && r.Then != nil && r.Kind != "darken" && r.To.RatString() != "1/510" {
					change(r)
					changed = true
				}
			}
		}
		require.True(t, changed)
		text, err := d.JSON()
		require.NoError(t, err)
		file := filepath.Join(t.TempDir(), "changed.json")
		require.NoError(t, os.WriteFile(file, text, 0o644))
		code, _, stderr := dnnctest.Run(t, "certify", net, "-check", file, "-labels", "none", "-images", "16")
		assert.Equal(t, command.AtFault, code, name)
		assert.Contains(t, stderr, "check-failed", name)
	}
	require.NoError(t, os.WriteFile(again, bytes.Replace(first, []byte(`"distinct": `), []byte(`"distinct": 1`), 1), 0o644))
	for want, args := range map[string][]string{
		"changed since it was written": {net, "-check", again, "-labels", "none", "-images", "16"},
		"of another network":           {net, "-check", path, "-labels", "none", "-images", "16", "-fix", "fc1=4"},
		"its right answers: the network's answer without an error; here: the label": {net, "-check", path, "-images", "16", "-data-as-is"},
		"no such file":           {net, "-check", filepath.Join(t.TempDir(), "none.json")},
		"is not that of -data":   {net, "-check", path, "-labels", "none", "-images", "16", "-data", filepath.Join(filepath.Dir(net), "fashion-train-images-idx3-ubyte.gz")},
		"-check writes no proof": {net, "-check", path, "-o", path},
	} {
		code, _, stderr := dnnctest.Run(t, append([]string{"certify"}, args...)...)
		assert.NotZero(t, code, want)
		assert.Contains(t, stderr, want)
	}
}

// TestCertifyOfAnObject: an object has the content of the network that it was made of, so that
// the proof of the network is one of the object, which runs at every point of the check.
func TestCertifyOfAnObject(t *testing.T) {
	dnnctest.Need(t)
	net := dnnctest.Small(t)
	object, path := filepath.Join(filepath.Dir(net), "small.o"), filepath.Join(t.TempDir(), "proof.json")
	dnnctest.Succeed(t, net, "-target", "x86_64", "-o", object, "-images", "16", "-labels", "none", "-task", "classes")
	dnnctest.Succeed(t, with(net, "-o", path, "-errors", "light=0.1;fog-blend")...)
	code, out, stderr := dnnctest.Run(t, "certify", object, "-check", path, "-labels", "none")
	require.Zero(t, code, stderr)
	assert.Contains(t, out, "12 ranges of 4 images hold by the interpreter and by the object on x86_64")
	out = dnnctest.Succeed(t, "certify", net, "-check", path, "-labels", "none", "-images", "16", "-target", "x86_64")
	assert.Contains(t, out, "by the object on x86_64")
	out = dnnctest.Succeed(t, "certify", object, "-errors", "light=0.1;fog-blend", "-labels", "none", "-task", "classes", "-n", "4", "-o", "-")
	d, err := proof.Parse([]byte(out[strings.Index(out, "{"):]))
	require.NoError(t, err)
	assert.Equal(t, read(t, path).Decided, d.Decided, "of the object the same")

	// The certificate carries it, and verify keeps it.
	beside := strings.TrimSuffix(object, ".o") + ".json"
	raw, err := os.ReadFile(beside)
	require.NoError(t, err)
	c, err := certificate.Parse(raw)
	require.NoError(t, err)
	require.NotNil(t, c.Proof)
	assert.Equal(t, d.Content, c.Proof.Integers)
	assert.Equal(t, certificate.SHA256([]byte(out[strings.Index(out, "{"):])), c.Proof.SHA256)
	assert.Equal(t, []string{"light", "fog-blend"}, []string{c.Proof.Proved[0].Error, c.Proof.Proved[1].Error})
	assert.Equal(t, []float64{0, .1}, c.Proof.Proved[0].Sizes)
	assert.Equal(t, 1., c.Proof.Proved[0].Shares[0], "its own answers are right without an error")
	assert.Positive(t, *c.Proof.Proved[0].Range)
	assert.Contains(t, dnnctest.Succeed(t, "verify", object, "-n", "2"), "carries a proof of these integers: of 4 images these shares are right at every size: light up to 0.1 ")
	after, err := os.ReadFile(beside)
	require.NoError(t, err)
	assert.Equal(t, string(raw), string(after))
	for said, change := range map[string]func(p *certificate.Proof){
		"its proof is of other integers":     func(p *certificate.Proof) { p.Integers = strings.Repeat("0", 64) },
		"what its proof says is not":         func(p *certificate.Proof) { p.Statement = "proved for all images" },
		"of light it has 0 shares":           func(p *certificate.Proof) { p.Proved[0].Shares = nil },
		"of fog-blend it has a share of 1.5": func(p *certificate.Proof) { p.Proved[1].Shares[0] = 1.5 },
		"of light it has a mean range of -1": func(p *certificate.Proof) { *p.Proved[0].Range = -1 },
		"of light it has 5 misses of 4":      func(p *certificate.Proof) { p.Proved[0].Missed = 5 },
		"it is of 0 images":                  func(p *certificate.Proof) { p.Images = 0 },
	} {
		c, err := certificate.Parse(raw)
		require.NoError(t, err)
		change(c.Proof)
		text, err := c.JSON()
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(beside, text, 0o644))
		code, _, stderr = dnnctest.Run(t, "verify", object, "-n", "2")
		assert.Equal(t, command.AtFault, code, said)
		assert.Contains(t, stderr, said)
	}
}

// tiny8x8 are flags of a network of three classes, whose image has 8x8 pixels; its own answers are right.
func tiny8x8(t *testing.T) func(more ...string) []string {
	kinds := dnnctest.KindsFolder(t)
	return func(more ...string) []string {
		return append([]string{"certify", kinds("classes.dnn"), "-data", kinds("data.npz"), "-labels", "none", "-images", "16"}, more...)
	}
}

// TestCertifyPlacesAndDraws: errors that have places, and the probability of random ones; the proof
// is held to the network, and what was changed in it is found.
func TestCertifyPlacesAndDraws(t *testing.T) {
	tiny := tiny8x8(t)
	path := filepath.Join(t.TempDir(), "proof.json")
	out := dnnctest.Succeed(t, tiny("-n", "4", "-errors", "patch=5;shift=2,3;gaussian=0.5;darken=0.1;rain=0.9", "-draws", "30", "-o", path)...)
	assert.Regexp(t, `patch=5 +\d`, out)
	assert.Contains(t, out, "30 independent draws of each image and size")
	assert.NotContains(t, out, "of images like these", "four images say nothing of others")
	for said, change := range map[string]func(d *proof.Document){
		"its draws of a random error are -1":                  func(d *proof.Document) { d.Draws = -1 },
		"its draws of a random error are 0":                   func(d *proof.Document) { d.Draws = 0 },
		"its draws of a random error are 4611686018427387904": func(d *proof.Document) { d.Draws = 1 << 62 },
		"no image is decided":                                 func(d *proof.Document) { d.Decided = nil },
		"what it says is not":                                 func(d *proof.Document) { d.Statement = "proved for all images" },
	} {
		d := read(t, path)
		change(d)
		text, err := d.JSON()
		require.NoError(t, err)
		other := filepath.Join(t.TempDir(), "other.json")
		require.NoError(t, os.WriteFile(other, text, 0o644))
		code, _, stderr := dnnctest.Run(t, tiny("-check", other)...)
		assert.Equal(t, command.AtFault, code, said)
		assert.Contains(t, stderr, said)
	}
	d := read(t, path)
	assert.Equal(t, 30, d.Draws)
	misses, unsure := 0, 0
	for _, x := range d.Decided {
		require.Len(t, x.Spots, 5, "a patch in three ways, and two translations")
		require.Len(t, x.Chances, 2)
		require.Len(t, x.Ranges, 1)
		assert.Equal(t, []int{16, 25, 49}, []int{x.Spots[0].Places, x.Spots[3].Places, x.Spots[4].Places})
		for _, p := range x.Spots {
			misses += len(p.Wrong)
		}
		for _, c := range x.Chances {
			assert.Equal(t, proof.AtLeast(c.Right, 30, .01/8), c.AtLeast, "four images under two errors")
			if c.Right < 30 {
				unsure++
			}
		}
	}
	assert.Greater(t, misses, 0)
	assert.Greater(t, unsure, 0)

	out = dnnctest.Succeed(t, tiny("-check", path)...)
	assert.Contains(t, out, "20 lists of places of 4 images hold by the interpreter")
	assert.Contains(t, out, "8 counts of 30 draws each hold by a recount with sparse updates, and 32 of the draws by the interpreter")
	for name, change := range map[string]func(x *proof.Image) bool{
		"a place less": func(x *proof.Image) bool { x.Spots[0].Places--; return true },
		"wrong place": func(x *proof.Image) bool {
			x.Spots[0].Wrong = append(x.Spots[0].Wrong, proof.Wrong{Row: 20})
			return true
		},
		"wrong answer": func(x *proof.Image) bool {
			for k := range x.Spots {
				if w := x.Spots[k].Wrong; len(w) > 0 {
					w[0].Answer = 3 - w[0].Answer - x.Right // the third class
					return true
				}
			}
			return false
		},
		"not clean": func(x *proof.Image) bool {
			a := (x.Right + 1) % 10
			x.Spots[3].Clean, x.Spots[3].Wrong = &a, nil
			return true
		},
		"count":    func(x *proof.Image) bool { x.Chances[0].Right--; return true },
		"bound":    func(x *proof.Image) bool { x.Chances[1].AtLeast += 1e-3; return true },
		"way":      func(x *proof.Image) bool { x.Spots[1].Way = "mean"; return true },
		"distinct": func(x *proof.Image) bool { x.Spots[2].Distinct++; return true },
	} {
		d := read(t, path)
		changed := false
		for i := range d.Decided {
			changed = changed || change(&d.Decided[i])
		}
		require.True(t, changed, name)
		text, err := d.JSON()
		require.NoError(t, err)
		file := filepath.Join(t.TempDir(), "changed.json")
		require.NoError(t, os.WriteFile(file, text, 0o644))
		code, _, stderr := dnnctest.Run(t, tiny("-check", file)...)
		assert.Equal(t, command.AtFault, code, name)
		assert.Contains(t, stderr, "check-failed", name)
	}
}

// TestCertifySignals: the errors of signals and of features, by default those that move along their
// sizes.
func TestCertifySignals(t *testing.T) {
	sensors := dnnctest.SensorsFolder(t)
	path := filepath.Join(t.TempDir(), "proof.json")
	for errors, want := range map[string][3]int{"": {5, 0, 0}, "saturation=.3;shift=.01;dropout=.1": {1, 1, 1}} {
		args := []string{"certify", sensors("tones.dnn"), "-data", sensors("tones.test.npz"), "-labels", "none", "-n", "3", "-images", "16", "-draws", "20", "-o", path}
		if errors != "" {
			args = append(args, "-errors", errors)
		}
		dnnctest.Succeed(t, args...)
		for _, x := range read(t, path).Decided {
			assert.Equal(t, want, [3]int{len(x.Ranges), len(x.Spots), len(x.Chances)})
		}
		out := dnnctest.Succeed(t, "certify", sensors("tones.dnn"), "-data", sensors("tones.test.npz"), "-labels", "none", "-images", "16", "-check", path)
		assert.Contains(t, out, "of 3 images hold by the interpreter")
	}
	page := filepath.Join(t.TempDir(), "page.html")
	dnnctest.Succeed(t, "certify", sensors("tones.dnn"), "-data", sensors("tones.test.npz"), "-labels", "none", "-n", "3", "-images", "16", "-draws", "20", "-errors", "saturation=.3;shift=.01;dropout=.1", "-page", page)
	raw, err := os.ReadFile(page)
	require.NoError(t, err)
	assert.Contains(t, string(raw), "for 3 given signals")
	assert.NotRegexp(t, `camera|images\b`, string(raw), "the page of a signal is about signals")
}

// TestWideInputs: sizes and places of an input of 16 bits are refused before anything is decided; its draws are counted.
func TestWideInputs(t *testing.T) {
	sensors := dnnctest.SensorsFolder(t)
	path := filepath.Join(t.TempDir(), "proof.json")
	args := func(more ...string) []string {
		return append([]string{"certify", sensors("tones.dnn"), "-data", sensors("tones.test.npz"), "-labels", "none", "-images", "16", "-activations", "16"}, more...)
	}
	for _, errors := range []string{"gain", "shift=.01", "dropout=.1;drift"} {
		code, _, stderr := dnnctest.Run(t, args("-n", "3", "-errors", errors)...)
		assert.Equal(t, command.AtFault, code, errors)
		assert.Contains(t, stderr, "has 16 bits", errors)
		assert.Contains(t, stderr, "-activations 8", errors)
	}
	dnnctest.Succeed(t, args("-n", "3", "-errors", "dropout=.1", "-draws", "20", "-o", path)...)
	assert.Contains(t, dnnctest.Succeed(t, args("-check", path)...), "3 counts of 20 draws each hold")
}

// TestPage: the page says what its words mean, draws what is proved beside what is measured, and has
// counterexamples as pictures beside the originals. It needs nothing from elsewhere.
func TestPage(t *testing.T) {
	page, args := filepath.Join(t.TempDir(), "page.html"), tiny8x8(t)
	dnnctest.Succeed(t, args("-n", "20", "-errors", "light=.1;patch=6;gaussian=.3", "-draws", "20", "-page", page)...)
	raw, err := os.ReadFile(page)
	require.NoError(t, err)
	text := string(raw)
	for _, want := range []string{
		"<dt>proved</dt>", "<dt>measured</dt>", "<dt>undecided</dt>", "Here there are none", "It says nothing of other images", "20 independent cases of each image",
		"<svg", "data:image/png;base64,", "under light ", "under patch ", "it is ",
	} {
		assert.Contains(t, text, want)
	}
	assert.Regexp(t, `these 20|20 given images alone`, text)
	assert.Contains(t, text, "<li>light: right at every size up to 0: at least 0.7519</li>", "all of 20 are: (.01/3)^(1/20)")
	assert.NotContains(t, text, "ZgotmplZ")
	assert.NotRegexp(t, `(src|href)="http`, text)
	assert.Equal(t, strings.Count(text, "without the error\">"), strings.Count(text, "with the error\">"))
	for want, more := range map[string][]string{
		"ending is none of .html": {"-page", "page.txt"},
		"-check writes no page":   {"-page", page, "-check", "proof.json"},
	} {
		code, _, stderr := dnnctest.Run(t, args(more...)...)
		assert.NotZero(t, code, want)
		assert.Contains(t, stderr, want)
	}
}

// TestCertifyByLabels: a label makes an answer right; images that are wrong without an error
// have no range.
func TestCertifyByLabels(t *testing.T) {
	path := filepath.Join(t.TempDir(), "proof.json")
	net := dnnctest.Small(t)
	out := dnnctest.Succeed(t, "certify", net, "-images", "16", "-n", "8", "-data-as-is", "-task", "classes", "-errors", "darken=0.1,0.2", "-o", path)
	assert.Contains(t, out, "right is the label")
	assert.Contains(t, out, "wrong without an error")
	d := read(t, path)
	wrong := 0
	for _, x := range d.Decided {
		if x.Ranges[0].To == nil {
			wrong++
		}
	}
	assert.Greater(t, wrong, 0)
	dnnctest.Succeed(t, "certify", net, "-check", path, "-images", "16", "-data-as-is")
}

// TestCertifyRefuses: what cannot be proved is named, with what there is.
func TestCertifyRefuses(t *testing.T) {
	net := dnnctest.Small(t)
	kinds := dnnctest.KindsFolder(t)
	sensors := dnnctest.SensorsFolder(t)
	for want, args := range map[string][]string{
		"what can be proved is light brighten":                    {net, "-errors", "occl"},
		"\"\" is no number of pixels from 1 to 28":                {net, "-errors", "light;patch"},
		"\"28\" is no number of pixels from 1 to 27":              {net, "-errors", "shift=28"},
		"\".5\" is no number of pixels":                           {net, "-errors", "occlusion=.5"},
		"the error patch=3 stands twice":                          {net, "-errors", "patch=3;light;patch=3"},
		"the network has no input imag":                           {net, "-errors", "imag:patch=3"},
		"is no whole number from 1 on":                            {net, "-errors", "gaussian=.1", "-draws", "0"},
		"-points 1000001: at most 1000000 for each range":         {net, "-check", "proof.json", "-points", "1000001"},
		"light proves both directions":                            {net, "-errors", "light-random"},
		"nothing to prove":                                        {net, "-errors", "none"},
		"did you mean \"darken\"":                                 {net, "-errors", "darkn"},
		"no images: a proof is about those that":                  {kinds("logits"), "-task", "classes"},
		"a proof needs one answer an item":                        {kinds("seg.dnn"), "-data", kinds("data.npz"), "-task", "classes axis: 0"},
		"patch is an error of image inputs, and wave is a signal": {sensors("tones.dnn"), "-data", sensors("tones.test.npz"), "-errors", "patch=3"},
		"no error of the input wave":                              {sensors("tones.dnn"), "-data", sensors("tones.test.npz"), "-errors", "light"},
		"-resume goes on from the file of -o":                     {net, "-resume"},
		"its ending is none of .json":                             {net, "-o", "proof.txt"},
		"-stop-after calibrate leaves no integers":                {net, "-stop-after", "calibrate", "-images", "16"},
	} {
		if args[0] == kinds("logits") {
			args[0] = kinds("logits.dnn")
		}
		code, _, stderr := dnnctest.Run(t, append([]string{"certify"}, args...)...)
		assert.NotZero(t, code, want)
		assert.NotEqual(t, command.Internal, code, stderr)
		assert.Contains(t, stderr, want)
	}
}

// TestCertifyOfOtherNetworks: a yes or no, a softmax, and one of several inputs.
func TestCertifyOfOtherNetworks(t *testing.T) {
	kinds, sensors := dnnctest.KindsFolder(t), dnnctest.SensorsFolder(t)
	for _, args := range [][]string{
		{kinds("binary.dnn"), "-data", kinds("data.npz"), "-task", "binary"},
		{kinds("classes.dnn"), "-data", kinds("data.npz")},
		{sensors("both.dnn"), "-data", sensors("both.test.npz"), "-calib", sensors("both.npz"), "-errors", "image:light;image:contrast=0.5", "-labels", "none"},
	} {
		path := filepath.Join(t.TempDir(), "proof.json")
		dnnctest.Succeed(t, append([]string{"certify", "-n", "4", "-images", "16", "-o", path}, args...)...)
		out := dnnctest.Succeed(t, append([]string{"certify", "-check", path, "-images", "16"}, args...)...)
		assert.Contains(t, out, "images hold by the interpreter")
	}
}

// TestInterruptedProofGoesOn: what is decided is kept, and -resume ends with the same bytes.
func TestInterruptedProofGoesOn(t *testing.T) {
	net := dnnctest.Small(t)
	whole, part := filepath.Join(t.TempDir(), "whole.json"), filepath.Join(t.TempDir(), "part.json")
	args := func(path string, more ...string) []string {
		return append(with(net, "-o", path, "-errors", "light;darken=0.1"), more...)
	}
	dnnctest.Succeed(t, args(whole)...)
	d := read(t, whole)
	kept := *d
	kept.Decided = kept.Decided[:2]
	text, err := kept.JSON()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(part, text, 0o644))
	out := dnnctest.Succeed(t, "certify", net, "-check", part, "-labels", "none", "-images", "16")
	assert.Contains(t, out, "INTERRUPTED after 2 of 4 images: nothing is proved of the others")
	dnnctest.Succeed(t, args(part, "-resume")...)
	assert.Equal(t, d.Decided, read(t, part).Decided)

	// Ended at once: nothing is decided, and the file says so.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var stdout, stderr bytes.Buffer
	assert.Equal(t, command.AtFault, command.Run(ctx, args(part), &stdout, &stderr))
	assert.Contains(t, stderr.String(), "interrupted")
	code, _, refused := dnnctest.Run(t, append(with(net, "-o", whole, "-errors", "light"), "-resume")...)
	assert.Equal(t, command.AtFault, code)
	assert.Contains(t, refused, "its errors: light;darken=0.1; here: light")
}

// TestPointsInsideRangesAreRightInTheObject runs the object at random sizes inside what is proved, and where it ends:
// with DNNC_FULL at a million.
func TestPointsInsideRangesAreRightInTheObject(t *testing.T) {
	dnnctest.Need(t)
	points := 3_000
	if os.Getenv("DNNC_FULL") != "" {
		points = 1_000_000
	}
	const images, ranges = 20, 6
	tiny := tiny8x8(t)
	args := tiny()
	object, path := filepath.Join(filepath.Dir(args[1]), "classes.o"), filepath.Join(t.TempDir(), "proof.json")
	dnnctest.Succeed(t, append(args[1:], "-target", "x86_64", "-o", object)...)
	dnnctest.Succeed(t, "certify", object, "-labels", "none", "-n", fmt.Sprint(images), "-o", path)
	out := dnnctest.Succeed(t, "certify", object, "-labels", "none", "-check", path, "-points", fmt.Sprint(points/images/ranges+1))
	t.Log(out)
	assert.Contains(t, out, "120 ranges of 20 images hold by the interpreter and by the object on x86_64: right at both ends")
}

// TestSidesAreThoseOfAProof: what stands beside a measurement is what a proof says of the same images.
func TestSidesAreThoseOfAProof(t *testing.T) {
	const errors = "light=0.02,0.1;darken=0.1,0.4"
	path, net := filepath.Join(t.TempDir(), "proof.json"), dnnctest.Small(t)
	dnnctest.Succeed(t, "certify", net, "-images", "16", "-n", "8", "-data-as-is", "-task", "classes", "-errors", errors, "-o", path)
	d := read(t, path)

	o := driver.Defaults()
	o.Input, o.Target, o.StopAfter, o.Errors = net, "armv7em", passes.Tuned, errors+";gaussian=0.1"
	o.Images, o.TestImages, o.Proved, o.Task, o.DataAsIs = 16, 8, 8, "classes", true
	r, err := driver.Compile(t.Context(), o, io.Discard, io.Discard)
	require.NoError(t, err)
	sides, err := certify.NewSides(t.Context(), o, r)
	require.NoError(t, err)
	list, err := sides.Of(t.Context(), r.Module, io.Discard)
	require.NoError(t, err)
	require.Len(t, list, 4)
	for i, x := range list {
		first, n := 0, 2 // light has two directions
		if i > 1 {
			first, n = 2, 1
		}
		proved := 0
		for _, image := range d.Decided {
			if proof.Hold(image.Ranges[first:first+n], new(big.Rat).SetFloat64(x.Size)) {
				proved++
			}
		}
		assert.Equal(t, proved, x.Proved, "%+v", x)
		assert.Equal(t, len(d.Decided), x.Images)
		assert.LessOrEqual(t, x.Proved, x.Measured)
	}
}
