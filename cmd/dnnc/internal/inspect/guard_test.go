package inspect

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/certificate"
)

// measured is a certificate of which some items are answered wrongly that the float network
// answers rightly.
func measured(t *testing.T, items int, wrong func(i int) bool) *certificate.Certificate {
	t.Helper()
	share := 1.0
	for i := range items {
		if wrong(i) {
			share -= 1 / float64(items)
		}
	}
	var raw []byte
	for i := range items {
		part := 1 - share
		if wrong(i) {
			part = -share
		}
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(part)))
	}
	return &certificate.Certificate{
		Version: certificate.Version, Network: "net", Content: "c", Target: "armv7em", Errors: []string{"gaussian=0.1"}, Seed: 1,
		WeightBytes: 8000, OtherBytes: 1000, CodeBytes: 1000, ArenaBytes: 4000, StackBytes: 96, Cycles: 1e6,
		Inputs:   []certificate.Input{{Name: "net.dnn", SHA256: "aa"}, {Name: "test.npz", SHA256: "bb"}},
		Measured: certificate.Measured{Task: "classes", Measure: "accuracy", Images: items, Data: "test.npz", Labels: "given", Items: "cc"},
		Results:  []certificate.Result{{Name: "y", Retention: &share, Paired: base64.StdEncoding.EncodeToString(raw)}},
	}
}

func saved(t *testing.T, name string, c *certificate.Certificate) string {
	t.Helper()
	raw, err := c.JSON()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, raw, 0o644))
	return path
}

// guarded runs dnnc diff -max.
func guarded(t *testing.T, limits string, a, b *certificate.Certificate) (kind diag.Kind, out, message string) {
	t.Helper()
	var g Guard
	require.NoError(t, g.Max.Set(limits))
	var text strings.Builder
	err := Diff([]string{saved(t, "old.json", a), saved(t, "new.json", b)}, g, &text)
	var d *diag.Diagnostic
	if errors.As(err, &d) {
		return d.Kind, text.String(), d.Error()
	}
	require.NoError(t, err)
	return "", text.String(), ""
}

// TestGuard: one line for each limit; what is certain past its limit fails, equal to it holds.
func TestGuard(t *testing.T) {
	right := func(int) bool { return false }
	base := func() *certificate.Certificate { return measured(t, 5000, right) }
	for name, c := range map[string]struct {
		limits string
		change func(c *certificate.Certificate)
		kind   diag.Kind
		want   string
	}{
		"nothing": {"flash=+0,ram=+0,cycles=+0,loss=+0", func(*certificate.Certificate) {}, "",
			"flash: 10000 bytes, was 10000 (+0, +0.00 %), at most +0: holds\nram: 4096 bytes, was 4096 (+0, +0.00 %), at most +0: holds\ncycles: 1000000 estimated cycles, was 1000000 (+0, +0.00 %), at most +0: holds\nloss: +0.00 points of retention (95 % interval +0.00 to +0.00, n=5000), at most +0: holds\n"},
		"5 % more flash": {"flash=+2%,ram=+0", func(c *certificate.Certificate) { c.WeightBytes += 500 }, diag.CheckFailed,
			"flash: 10500 bytes, was 10000 (+500, +5.00 %), at most +2 %: FAILS\nram: 4096 bytes, was 4096 (+0, +0.00 %), at most +0: holds\n"},
		"2 % more flash": {"flash=+2%", func(c *certificate.Certificate) { c.CodeBytes += 200 }, "", "flash: 10200 bytes, was 10000 (+200, +2.00 %), at most +2 %: holds\n"},
		"a byte of RAM":  {"ram=+0", func(c *certificate.Certificate) { c.StackBytes++ }, diag.CheckFailed, "ram: 4097 bytes, was 4096 (+1, +0.02 %), at most +0: FAILS\n"},
		"a KiB":          {"arena=+1KiB,weights=1kB", func(c *certificate.Certificate) { c.ArenaBytes += 1024 }, "", "arena: 5024 bytes, was 4000 (+1024, +25.60 %), at most +1024: holds\nweights: 8000 bytes, was 8000 (+0, +0.00 %), at most +1000: holds\n"},
		"less is asked":  {"cycles=-10%", func(c *certificate.Certificate) { c.Cycles = 9.5e5 }, diag.CheckFailed, "cycles: 950000 estimated cycles, was 1000000 (-50000, -5.00 %), at most -10 %: FAILS\n"},
		"another seed":   {"flash=0", func(c *certificate.Certificate) { c.Seed = 2 }, "", "flash: 10000 bytes, was 10000 (+0, +0.00 %), at most +0: holds\n"},
		"another network": {"loss=0", func(c *certificate.Certificate) { c.Inputs[0].SHA256 = "dd" }, "",
			"loss: +0.00 points of retention (95 % interval +0.00 to +0.00, n=5000), at most +0: holds\n"},
		"two results": {"loss=+1", func(c *certificate.Certificate) { c.Results = append(c.Results, c.Results[0]) }, diag.Incomparable, ""},

		"other data":        {"loss=+1", func(c *certificate.Certificate) { c.Inputs[1].SHA256 = "ee" }, diag.Incomparable, ""},
		"other items":       {"loss=+1", func(c *certificate.Certificate) { c.Measured.Items = "ee" }, diag.Incomparable, ""},
		"other errors":      {"loss=+1", func(c *certificate.Certificate) { c.Errors[0] = "fog=0.1" }, diag.Incomparable, ""},
		"another target":    {"flash=+100%", func(c *certificate.Certificate) { c.Target = "armv7m" }, diag.Incomparable, ""},
		"noise for data":    {"loss=+1", func(c *certificate.Certificate) { c.Measured.Data = "" }, diag.Incomparable, ""},
		"interrupted":       {"loss=+1", func(c *certificate.Certificate) { c.NotMeasured = []string{certificate.Accuracy} }, diag.Incomparable, ""},
		"fewer parts":       {"loss=+1", func(c *certificate.Certificate) { c.Results[0].Paired = c.Results[0].Paired[:400] }, diag.Incomparable, ""},
		"no object":         {"flash=+1", func(c *certificate.Certificate) { c.CodeBytes, c.StackBytes = 0, 0 }, diag.Incomparable, ""},
		"no estimate":       {"cycles=+1", func(c *certificate.Certificate) { c.Cycles = 0 }, diag.Incomparable, ""},
		"loss is not asked": {"ram=+0", func(c *certificate.Certificate) { c.Inputs[1].SHA256 = "ee" }, "", "ram: 4096 bytes, was 4096 (+0, +0.00 %), at most +0: holds\n"},
	} {
		is := base()
		c.change(is)
		kind, out, message := guarded(t, c.limits, base(), is)
		assert.Equal(t, c.kind, kind, "%s: %s", name, message)
		assert.Equal(t, c.want, out, name)
		if kind == diag.Incomparable {
			assert.Contains(t, message, "not comparable with old.json", name)
			assert.Contains(t, message, "-accept", name)
		}
	}
}

// TestGuardOfLoss: a point less at 5,000 items fails, noise does not.
func TestGuardOfLoss(t *testing.T) {
	const n = 5000
	among := func(seed uint64, share float64) func(i int) bool {
		rng := rand.New(rand.NewPCG(seed, 1))
		list := make([]bool, n)
		for i := range list {
			list[i] = rng.Float64() < share
		}
		return func(i int) bool { return list[i] }
	}
	was := measured(t, n, among(1, .01))
	point := among(2, .015)
	kind, out, _ := guarded(t, "loss=+0.5", was, measured(t, n, func(i int) bool { return among(1, .01)(i) || point(i) }))
	assert.Equal(t, diag.CheckFailed, kind, out)
	assert.Regexp(t, `^loss: \+1\.\d\d points of retention \(95 % interval \+\d\.\d\d to \+\d\.\d\d, n=5000\), at most \+0\.5: FAILS\n$`, out)
	for seed := range uint64(20) {
		kind, out, message := guarded(t, "loss=+0.5", was, measured(t, n, among(seed+3, .01)))
		assert.Empty(t, kind, out+message)
	}
	kind, out, _ = guarded(t, "loss=+0", was, measured(t, n, among(40, .01)))
	assert.Empty(t, kind)
	assert.Contains(t, out, "undecided, about ")
	items := len(strings.Fields(out)) // a line, not an essay
	assert.Less(t, items, 25)
}

// TestFall is the difference of two retentions with its paired error.
func TestFall(t *testing.T) {
	wrong := func(from, to int) func(i int) bool { return func(i int) bool { return from <= i && i < to } }
	a, b := measured(t, 100, wrong(0, 10)), measured(t, 100, wrong(5, 20))
	d := fall(&a.Results[0], &b.Results[0], 100)
	assert.InDelta(t, 5, d.value, 1e-6)
	// Fifteen items differ: ten by one, five by minus one.
	assert.InDelta(t, 100*math.Sqrt((15-100*.05*.05)/99./100), d.stdErr, 1e-5)
	assert.Equal(t, 100, d.items)

	four := measured(t, 1000, wrong(0, 4))
	d = fall(&measured(t, 1000, wrong(0, 0)).Results[0], &four.Results[0], 1000)
	assert.InDelta(t, 4, d.differ, .1)
	assert.Equal(t, "undecided, few answers differ", d.outcome(0), "p is 1/16")
	d = fall(&measured(t, 1, wrong(0, 0)).Results[0], &measured(t, 1, wrong(0, 1)).Results[0], 1)
	assert.NotEqual(t, fails, d.outcome(1000))
	d = fall(&four.Results[0], &four.Results[0], 1000)
	assert.Equal(t, holds, d.outcome(0))
	assert.Equal(t, fails, d.outcome(-1), "nothing differs, and a point more was asked for")

	for _, c := range []struct {
		d    difference
		most float64
		want string
	}{
		{difference{1, .2, 100, 40}, .5, fails},
		{difference{.89, .2, 100, 40}, .5, "undecided, about 102 items would decide"},
		{difference{.1, .2, 100, 40}, .5, holds},
		{difference{.3, .2, 100, 40}, .5, "undecided, about 385 items would decide"},
		{difference{.5, .2, 100, 40}, .5, undecided},
		{difference{.5, 0, 100, 40}, .5, holds},
		{difference{.50001, .2, 100, 40}, .5, undecided},
	} {
		assert.Equal(t, c.want, c.d.outcome(c.most), "%v %v", c.d, c.most)
	}
}

// TestLimits: what is no limit is refused with one that is.
func TestLimits(t *testing.T) {
	for list, want := range map[string]string{
		"flash=+2%,flash=1": "flash has two limits",
		"speed=+1":          `"speed" is none of flash, ram, arena, weights, cycles, loss`,
		"flash":             "write flash=+0",
		"flash=":            "flash= is no limit",
		"flash=much":        "flash=much is no limit; write flash=+0, or another number of bytes",
		"flash=NaN":         "is no limit",
		"flash=inf":         "is no limit",
		"flash=0x10":        "is no limit",
		"flash=1KiB%":       "is no limit",
		"cycles=1KiB":       "is no limit",
		"loss=+1%":          "in points of retention",
		"":                  `"" is none of`,
		"flash=+1,":         `"" is none of`,
	} {
		var l Limits
		assert.ErrorContains(t, l.Set(list), want, list)
	}
}

// TestAccept: the new certificate takes the place of the old one, also where there is none
// or none that can be read; a new one that is none takes no place.
func TestAccept(t *testing.T) {
	was, is := measured(t, 10, func(int) bool { return false }), measured(t, 10, func(int) bool { return false })
	is.WeightBytes *= 2
	fresh := saved(t, "new.json", is)
	want, err := os.ReadFile(fresh)
	require.NoError(t, err)
	g := Guard{Accept: true}
	require.NoError(t, g.Max.Set("flash=+0"))
	broken := filepath.Join(t.TempDir(), "old.json")
	require.NoError(t, os.WriteFile(broken, []byte("{"), 0o644))
	for path, says := range map[string]string{
		saved(t, "old.json", was):              "FAILS",
		filepath.Join(t.TempDir(), "old.json"): "is new",
		broken:                                 "is no certificate",
	} {
		var out strings.Builder
		require.NoError(t, Diff([]string{path, fresh}, g, &out))
		assert.Contains(t, out.String(), says)
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, string(want), string(got))
	}
	old := saved(t, "old.json", was)
	before, err := os.ReadFile(old)
	require.NoError(t, err)
	assert.Error(t, Diff([]string{old, broken + "x"}, g, new(strings.Builder)))
	after, err := os.ReadFile(old)
	require.NoError(t, err)
	assert.Equal(t, before, after)

	model := filepath.Join(t.TempDir(), "net.onnx") // named in its place
	require.NoError(t, os.WriteFile(model, []byte("weights"), 0o644))
	assert.ErrorContains(t, Diff([]string{model, fresh}, g, new(strings.Builder)), "no certificate")
	kept, err := os.ReadFile(model)
	require.NoError(t, err)
	assert.Equal(t, "weights", string(kept))
}

// Measured and Saved are for tests of whole commands.
var Measured, Saved = measured, saved
