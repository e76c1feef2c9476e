// Package frontendtest reads networks for tests: .dnn files whose constants are written
// out in comments, and whose faults stand beside the faulty lines.
package frontendtest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
)

var update = flag.Bool("update", false, "write the golden files")

// values is the comment that holds a constant, as "# conv.weight: f32[2,1,1,1] = 1 -0.5".
var values = regexp.MustCompile(`(?m)^# (\S+): ([a-z0-9]+)(\[[\d,]*\]) =(.*)$`)

// Load reads a network whose constants stand in comments. Where it has some, it names a
// tensors file, which is made of them.
func Load(t *testing.T, file string) *ir.Module {
	t.Helper()
	src, err := os.ReadFile(file)
	require.NoError(t, err)
	m, err := parse(t, filepath.Base(file), src)
	require.NoError(t, err)
	return m
}

// parse reads a source whose tensors file lies in a folder of its own.
func parse(t *testing.T, name string, src []byte) (*ir.Module, error) {
	t.Helper()
	dir := t.TempDir()
	var list []weights.Tensor
	for _, c := range values.FindAllStringSubmatch(string(src), -1) {
		var shape ir.Shape
		for _, d := range strings.FieldsFunc(c[3], func(r rune) bool { return strings.ContainsRune("[,]", r) }) {
			n, err := strconv.Atoi(d)
			require.NoError(t, err, c[0])
			shape = append(shape, n)
		}
		e, ok := ir.ParseElem(c[2])
		require.True(t, ok, c[0])
		words := strings.Fields(c[4])
		if e.Kind == ir.F32 {
			var x []float32
			for _, w := range words {
				v, err := strconv.ParseFloat(w, 32)
				require.NoError(t, err, c[0])
				x = append(x, float32(v))
			}
			require.Len(t, x, shape.Size(), c[0])
			raw, err := ir.FloatConst(c[1], shape, x).Load()
			require.NoError(t, err)
			list = append(list, weights.Tensor{Name: c[1], DType: weights.F32, Shape: shape, Data: raw})
			continue
		}
		dtype, stored := weights.U8, []int{len(words)} // codes, one a byte
		if !e.IsPacked() {
			dtype, stored = weights.DType(strings.ToUpper(c[2])), shape
			require.NotZero(t, dtype.Size(), c[0])
		}
		var raw []byte
		for _, w := range words {
			v, err := strconv.ParseInt(w, 10, 64)
			require.NoError(t, err, c[0])
			raw = append(raw, binary.LittleEndian.AppendUint64(nil, uint64(v))[:dtype.Size()]...)
		}
		list = append(list, weights.Tensor{Name: c[1], DType: dtype, Shape: stored, Data: raw})
	}
	var b bytes.Buffer
	require.NoError(t, weights.WriteSafetensors(&b, list))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "w.safetensors"), b.Bytes(), 0o644))
	return frontend.Parse(filepath.Join(dir, name), src, frontend.Options{})
}

// Text is a module with the elements of its constants in comments.
func Text(t *testing.T, m *ir.Module) string {
	t.Helper()
	c := *m
	c.Tensors = []ir.TensorsFile{{Path: "w.safetensors"}}
	b := strings.Builder{}
	b.WriteString(c.String())
	for _, c := range m.Consts {
		fmt.Fprintf(&b, "# %s: %s =", c.Name, c.Type)
		switch {
		case c.Type.Elem.Kind == ir.F32:
			x, err := c.Float32()
			require.NoError(t, err)
			for _, v := range x {
				fmt.Fprint(&b, " ", strconv.FormatFloat(float64(v), 'g', -1, 32))
			}
		case c.Type.Elem.IsPacked():
			raw, err := c.Load()
			require.NoError(t, err)
			for _, v := range raw {
				fmt.Fprint(&b, " ", v)
			}
		default:
			x, err := c.Ints()
			require.NoError(t, err)
			for _, v := range x {
				fmt.Fprint(&b, " ", v)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Golden holds a text to a file, which -update writes.
func Golden(t *testing.T, file, text string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), text, file)
}

// Dump holds a module to a golden dump, which is read again and gives the same.
func Dump(t *testing.T, file string, m *ir.Module) {
	t.Helper()
	Golden(t, file, Text(t, m))
	again := Load(t, file)
	assert.Empty(t, ir.Verify(again), file)
	assert.Equal(t, Text(t, m), Text(t, again), "%s read again", file)
}

// A Case is a network of a folder of cases, and what its first line says of it.
type Case struct {
	Name  string
	Title string // the first line, without the "#"
	File  string
}

// Out is the file of what becomes of the network.
func (c Case) Out() string { return strings.TrimSuffix(c.File, ".dnn") + ".out.dnn" }

// Cases are the networks of a folder, one or more.
func Cases(t *testing.T, folder string) (list []Case) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.dnn"))
	require.NoError(t, err)
	for _, f := range files {
		if strings.HasSuffix(f, ".out.dnn") {
			continue
		}
		src, err := os.ReadFile(f)
		require.NoError(t, err)
		first, _, _ := strings.Cut(string(src), "\n")
		require.True(t, strings.HasPrefix(first, "# "), "%s: the first line says what the case is", f)
		list = append(list, Case{strings.TrimSuffix(filepath.Base(f), ".dnn"), strings.TrimPrefix(first, "# "), f})
	}
	require.NotEmpty(t, list, folder)
	return list
}

// next is a line that ends one source and begins another in the same file.
const next = "### next"

// The faults of a line stand in a comment at its end, each with its column: of the line
// "y = cnov2d(x) ### 5 `no operation`", one at column 5 whose text the regular expression
// matches. Column 0 is a fault without line and column, and stands in the first line.
var (
	marker = regexp.MustCompile("### (?:\\d+ `[^`]*` ?)+$")
	fault  = regexp.MustCompile("(\\d+) `([^`]*)`")
)

// Faults reads each source of a file, gives it to run where it is a network, and holds
// what that says to the faults that stand beside the lines: all of them, and no others.
// -update writes them there.
func Faults(t *testing.T, file string, run func(m *ir.Module) error) {
	t.Helper()
	src, err := os.ReadFile(file)
	require.NoError(t, err)
	lines := strings.Split(string(src), "\n")
	for first := 0; first < len(lines); {
		end := slices.Index(lines[first:], next)
		if end < 0 {
			end = len(lines) - first
		}
		faults(t, file, lines[:first+end], first, run)
		first += end + 1
	}
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o644))
	}
}

// faults holds the source from a line on to its faults.
func faults(t *testing.T, file string, lines []string, first int, run func(m *ir.Module) error) {
	t.Helper()
	var want, got []string
	var texts []*regexp.Regexp
	plain := make([]string, len(lines)) // the other sources are empty lines, so that positions are those of the file
	for i, l := range lines[first:] {
		for _, f := range fault.FindAllStringSubmatch(marker.FindString(l), -1) {
			at := fmt.Sprintf("%d:%s", first+i+1, f[1])
			if f[1] == "0" {
				at = "-"
			}
			want, texts = append(want, at), append(texts, regexp.MustCompile(f[2]))
		}
		plain[first+i] = strings.TrimRight(marker.ReplaceAllString(l, ""), " ")
	}
	m, err := parse(t, filepath.Base(file), []byte(strings.Join(plain, "\n")))
	if err == nil && run != nil {
		err = run(m)
	}
	list := diagnostics(err)
	if err != nil && !assert.NotEmpty(t, list, "%s:%d: no diagnostic: %v", file, first+1, err) {
		return
	}
	if *update {
		copy(lines[first:], plain[first:])
		for _, d := range list {
			line := first
			if d.Pos.IsValid() {
				line = d.Pos.Line - 1
			}
			if !strings.HasSuffix(lines[line], "`") {
				lines[line] += " ###"
			}
			lines[line] += fmt.Sprintf(" %d `%s`", d.Pos.Col, regexp.QuoteMeta(fmt.Sprintf("%s: %s", d.Kind, d.Message)))
		}
		return
	}
	for _, d := range list {
		at := fmt.Sprintf("%d:%d", d.Pos.Line, d.Pos.Col)
		if !d.Pos.IsValid() {
			at = "-"
		}
		got = append(got, at)
	}
	if !assert.Equal(t, want, got, "%s:%d: %v", file, first+1, err) {
		return
	}
	for i, d := range list {
		assert.Regexp(t, texts[i], fmt.Sprintf("%s: %s\n%s\n%s", d.Kind, d.Message, d.Note, d.Help), "%s:%s", file, want[i])
	}
}

// diagnostics are those of an error, in order.
func diagnostics(err error) diag.List {
	var list diag.List
	var d *diag.Diagnostic
	switch {
	case errors.As(err, &list):
		return list
	case errors.As(err, &d):
		return diag.List{d}
	}
	return nil
}
