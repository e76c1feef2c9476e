package diag

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSuggest(t *testing.T) {
	known := []string{"conv2d", "linear", "maxpool2d", "relu", "relu6", "stride", "armv7", "x86_64"}
	for name, want := range map[string]string{
		"conv2": "conv2d", "cnov2d": "conv2d", "liner": "linear", "maxpol2d": "maxpool2d",
		"rleu": "relu", "strid": "stride", "arm7": "armv7",
		"": "", "zzz": "", "softmax": "", "pool": "",
	} {
		assert.Equal(t, want, Suggest(name, known), name)
	}
}

// TestSuggestNoLongNames: names that nobody types are not compared, letter by letter.
func TestSuggestNoLongNames(t *testing.T) {
	name := strings.Repeat("a", longestMistyped)
	assert.Equal(t, name[1:]+"b", Suggest(name, []string{name[1:] + "b"}))
	assert.Empty(t, Suggest(name+"a", []string{name + "b"}))
}

func TestListReportsInOrder(t *testing.T) {
	var l List
	require.NoError(t, l.Err())
	l.Add(Pos{"b.dnn", 1, 1}, Syntax, "third")
	l.Add(Pos{"a.dnn", 2, 7}, UnknownOp, "no operation %q", "cnov").WithNote("why").WithSuggestion("cnov", []string{"conv"})
	l.Add(Pos{"a.dnn", 2, 3}, Syntax, "first")
	err := l.Err()
	assert.Equal(t, `a.dnn:2:3: syntax: first
a.dnn:2:7: unknown-operation: no operation "cnov"
    note: why
    help: did you mean "conv"?
b.dnn:1:1: syntax: third`, err.Error())
	var d *Diagnostic
	require.True(t, errors.As(err, &d))
	assert.Equal(t, "first", d.Message)
}

func TestPosString(t *testing.T) {
	assert.Equal(t, "dnnc", Pos{}.String())
	assert.Equal(t, "x.dnn", Pos{File: "x.dnn"}.String())
	assert.Equal(t, "x.dnn:3:4", Pos{"x.dnn", 3, 4}.String())
	assert.Equal(t, `a\x0ab.dnn:1:1`, Pos{File: "a\nb.dnn", Line: 1, Col: 1}.String())
	assert.Equal(t, `a\x0ab.dnn`, Pos{File: "a\nb.dnn"}.String())
}

// TestOrder: by file, then line, then column; of one place in the order of finding.
func TestOrder(t *testing.T) {
	var l List
	for _, p := range []Pos{{"b", 1, 1}, {"a", 10, 1}, {"a", 9, 2}, {"a", 9, 1}, {"b", 1, 1}, {"a", 10, 1}, {"", 0, 0}} {
		l.Add(p, Syntax, "%d", len(l))
	}
	l.Sort()
	var order string
	for _, d := range l {
		order += d.Message
	}
	assert.Equal(t, "6321504", order)
	assert.False(t, Pos{File: "a"}.IsValid())
	assert.True(t, Pos{Line: 1}.IsValid())
}

// TestSuggestDistance: a third of the letters may be wrong, one in any case; a name
// may also go on, or stop early.
func TestSuggestDistance(t *testing.T) {
	for _, c := range []struct {
		name  string
		known []string
		want  string
	}{
		{"conv2d", []string{"conv"}, "conv"}, {"conv", []string{"conv2d"}, "conv2d"}, {"convab", []string{"conv", "conva"}, "conva"},
		{"ab", []string{"ba"}, "ba"}, {"cnov", []string{"conva"}, ""}, {"cnov", []string{"conv"}, "conv"}, {"relu", []string{"elu", "relu6"}, "elu"}, {"relu", []string{"relu"}, "relu"},
		{"abcdef", []string{"badcef"}, "badcef"}, {"abcdef", []string{"badcfe"}, ""}, {"a", []string{"b"}, "b"}, {"a", []string{"bc"}, ""}, {"", []string{"a"}, ""},
		{"padding", []string{"pad", "kernel"}, "pad"}, {"padd", []string{"pa", "paddings", "padding"}, "padding"}, {"padding", []string{"pa"}, ""}, {"pa", []string{"padding"}, ""},
		{"conv2d_bias", []string{"con", "conv2d", "conv2"}, "conv2d"}, {"xpadding", []string{"pad"}, ""},
	} {
		assert.Equal(t, c.want, Suggest(c.name, c.known), "%v", c)
	}
	d := New(Pos{}, Syntax, "m").WithHelp("old").WithSuggestion("zzz", []string{"a"})
	assert.Equal(t, "dnnc: syntax: m\n    help: old", d.Error(), "a help stays where nothing is near")
}
