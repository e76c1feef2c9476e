package compare

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/ir/diag"
)

func options() driver.Options {
	return driver.Options{
		Input: "../../../../testdata/lenet5/lenet5.dnn", Level: "int8", Errors: "fog-blend=0.5", Seed: 1, Images: 64, TestImages: 60,
		Sizes: []string{"0.1", "1", "2"}, Methods: []string{"universal", "universal-nearest"}, Formats: []string{"odd"},
	}
}

// TestProvedBesideMeasured: of each network that was chosen, of no size that has none; a record cannot keep it.
func TestProvedBesideMeasured(t *testing.T) {
	o, out := options(), &bytes.Buffer{}
	o.Proved, o.Sizes, o.Methods = 4, []string{"0.1", "1"}, []string{"universal"}
	require.NoError(t, Run(context.Background(), o, out, &bytes.Buffer{}))
	assert.Regexp(t, `1 bits, universal, seed 1 +fog-blend +0\.5 +4 +[01]\.\d{4} +[01]\.\d{4}\n`, out.String())
	assert.NotContains(t, out.String(), "0.1 bits, universal")
	o.Record = filepath.Join(t.TempDir(), "record.csv")
	assert.ErrorContains(t, Run(context.Background(), o, out, &bytes.Buffer{}), "a record has no proofs")
}

func TestRecordGoesOn(t *testing.T) {
	o := options()
	o.Record = filepath.Join(t.TempDir(), "record.csv")
	whole := &bytes.Buffer{}
	require.NoError(t, Run(context.Background(), o, whole, &bytes.Buffer{}))
	assert.Contains(t, whole.String(), "nothing this small")
	assert.Contains(t, whole.String(), "universal-nearest")
	text, err := os.ReadFile(o.Record)
	require.NoError(t, err)

	// A record that was cut off after its first size gives the same in the end.
	lines := strings.SplitAfter(string(text), "\n")
	require.Len(t, lines, 1+6+1)
	require.NoError(t, os.WriteFile(o.Record, []byte(strings.Join(lines[:3], "")), 0o644))
	again := &bytes.Buffer{}
	require.NoError(t, Run(context.Background(), o, again, &bytes.Buffer{}))
	assert.Equal(t, whole.String(), again.String())
	now, err := os.ReadFile(o.Record)
	require.NoError(t, err)
	assert.Equal(t, string(text), string(now))

	// A whole one is not measured again; one of other questions or of another version is.
	stopped, cancel := context.WithCancel(context.Background())
	cancel()
	require.NoError(t, Run(stopped, o, again, &bytes.Buffer{}))
	other := o
	other.Errors = "fog-blend=0.4"
	assert.Error(t, Run(stopped, other, again, &bytes.Buffer{}))
	other = o
	other.Methods = []string{"universal-nearest", "universal"}
	assert.Error(t, Run(stopped, other, again, &bytes.Buffer{}))
	rows := strings.Split(string(text), "\n")
	for i, row := range rows[1:] {
		if f := strings.Split(row, ","); len(f) > 4 {
			f[4] = "0"
			rows[i+1] = strings.Join(sealed(f[:len(f)-1]), ",")
		}
	}
	require.NoError(t, os.WriteFile(o.Record, []byte(strings.Join(rows, "\n")), 0o644))
	assert.Error(t, Run(stopped, o, again, &bytes.Buffer{}))
}

// TestDamagedRecords: a byte that changed in any line and a line that was cut off are
// noticed; a line without its end is whole, and goes on.
func TestDamagedRecords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.csv")
	list := []outcome{{network: "a", method: "qed", bits: 1, images: 9, average: .5, retention: .75}, {network: "b", method: "qstar", bits: 2, images: 9, average: .5}}
	require.NoError(t, appendRecord(path, list))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	start := bytes.IndexByte(text, '\n') + 1
	for at := start; at < len(text)-1; at++ {
		damaged := bytes.Clone(text)
		damaged[at] ^= 1
		require.NoError(t, os.WriteFile(path, damaged, 0o644))
		_, err := readRecord(path)
		require.Error(t, err, "byte %d of %q", at, damaged)
		require.NoError(t, os.WriteFile(path, text[:at+1], 0o644))
		if got, err := readRecord(path); err == nil {
			require.True(t, text[at] == '\n' || text[at+1] == '\n', "cut off at byte %d", at)
			require.NoError(t, appendRecord(path, list[len(got):]))
			whole, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(text), string(whole))
		}
	}
}

// TestBelowTheFirst: where the first method has nothing that small, no other one takes
// its place.
func TestBelowTheFirst(t *testing.T) {
	o := options()
	o.Sizes, o.Methods, o.Formats = []string{"0.5"}, []string{"universal", "qed"}, []string{"vec4x16", "odd3"}
	o.Images, o.TestImages = 32, 20
	o.Record = filepath.Join(t.TempDir(), "record.csv")
	out := &bytes.Buffer{}
	require.NoError(t, Run(context.Background(), o, out, &bytes.Buffer{}))
	assert.Contains(t, out.String(), "below universal")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 6)
	assert.Contains(t, lines[0], "task: classes (result [10] and whole-number labels), measure: accuracy")
	assert.Contains(t, lines[1], "data: fashion-train-images-idx3-ubyte.gz: image = images")
	assert.Contains(t, lines[2], "data: fashion-test-images-idx3-ubyte.gz: image = images")
	assert.Contains(t, lines[4], "nothing this small")
	f := strings.Fields(lines[5])
	require.Equal(t, "qed", f[1])
	assert.Equal(t, []string{"-", "-"}, f[7:9], lines[5])
	again := &bytes.Buffer{}
	require.NoError(t, Run(context.Background(), o, again, &bytes.Buffer{}))
	assert.Equal(t, out.String(), again.String())
}

func TestBadComparisons(t *testing.T) {
	foreign := filepath.Join(t.TempDir(), "foreign.csv")
	require.NoError(t, os.WriteFile(foreign, []byte("a,b\n1,2\n"), 0o644))
	for name, spoil := range map[string]func(o *driver.Options){
		"size":    func(o *driver.Options) { o.Sizes = []string{"two"} },
		"no size": func(o *driver.Options) { o.Sizes = []string{"-1"} },
		"method":  func(o *driver.Options) { o.Methods = []string{"qde"} },
		"record":  func(o *driver.Options) { o.Record = foreign },
		"data":    func(o *driver.Options) { o.Data = "missing" },
	} {
		o := options()
		o.Sizes = o.Sizes[1:2]
		spoil(&o)
		err := Run(context.Background(), o, &bytes.Buffer{}, &bytes.Buffer{})
		var d *diag.Diagnostic
		require.ErrorAs(t, err, &d, name)
	}
}
