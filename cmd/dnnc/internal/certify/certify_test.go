package certify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
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

	// A range that says too much, and one that ends too early, each with a sum of its own.
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
		"gaussian cannot be proved":                {net, "-errors", "light;gaussian"},
		"what can be proved is light brighten":     {net, "-errors", "default"},
		"light proves both directions":             {net, "-errors", "light-random"},
		"nothing to prove":                         {net, "-errors", "none"},
		"did you mean \"darken\"":                  {net, "-errors", "darkn"},
		"no images: a proof is about those that":   {kinds("logits"), "-task", "classes"},
		"a proof needs one answer an item":         {kinds("seg.dnn"), "-data", kinds("data.npz"), "-task", "classes axis: 0"},
		"no error of the input wave":               {sensors("tones.dnn"), "-data", sensors("tones.test.npz"), "-errors", "light"},
		"-resume goes on from the file of -o":      {net, "-resume"},
		"its ending is none of .json":              {net, "-o", "proof.txt"},
		"-stop-after calibrate leaves no integers": {net, "-stop-after", "calibrate", "-images", "16"},
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
