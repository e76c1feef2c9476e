package pareto

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/ir/diag"
)

func options() driver.Options {
	return driver.Options{
		Input: "../../../../testdata/lenet5/lenet5.dnn", Level: "int8", Errors: "fog-blend=0.5", Seed: 1, Images: 64,
		Sizes: []string{"1", "2"}, Formats: []string{"odd1", "odd2", "vec4x8"},
	}
}

// TestCurve holds the three forms of one curve to each other, and the curve to
// what undominated means.
func TestCurve(t *testing.T) {
	o, out := options(), &bytes.Buffer{}
	o.Output, o.Proved = filepath.Join(t.TempDir(), "curve.json"), 5
	require.NoError(t, Run(context.Background(), o, out, io.Discard))
	assert.Contains(t, out.String(), "networks on the curve")
	assert.Contains(t, out.String(), "proved for these images under this error model; says nothing of other images")
	text, err := os.ReadFile(o.Output)
	require.NoError(t, err)
	var c curve
	require.NoError(t, json.Unmarshal(text, &c))
	require.Greater(t, len(c.Points), 3)
	measured := 0
	for i, p := range c.Points {
		require.Len(t, p.Formats, len(c.Layers))
		if i > 0 {
			require.Greater(t, p.Bytes, c.Points[i-1].Bytes)
			require.Less(t, p.Forecast, c.Points[i-1].Forecast)
		}
		if p.Loss != nil {
			measured++
			require.LessOrEqual(t, p.Bits, 2.001)
			require.InDelta(t, 1, *p.Retention, .5)
			require.Len(t, p.Proved, 1)
			require.Equal(t, "fog-blend=0.5 of 5", fmt.Sprintf("%s=%g of %d", p.Proved[0].Error, p.Proved[0].Size, p.Proved[0].Images))
			require.LessOrEqual(t, p.Proved[0].Proved, p.Proved[0].Measured)
		}
	}
	assert.Equal(t, 2, measured)

	table, drawing := &bytes.Buffer{}, &bytes.Buffer{}
	require.NoError(t, writeCSV(table, &c))
	require.NoError(t, writeSVG(drawing, &c))
	rows, err := csv.NewReader(table).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 1+len(c.Points))
	assert.Equal(t, strconv.Itoa(c.Points[0].Bytes), rows[1][0])
	assert.Equal(t, []string{"measured fog-blend=0.5", "proved fog-blend=0.5"}, rows[0][8:])

	d, elements := xml.NewDecoder(drawing), 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if _, ok := token.(xml.StartElement); ok {
			elements++
		}
	}
	assert.Greater(t, elements, 40)
}

// TestDrawingsOfLittle: one network, measured or not, and one without divergence.
func TestDrawingsOfLittle(t *testing.T) {
	some, none := .9, 0.
	for _, p := range []point{{Bits: 1, Forecast: .1}, {Bits: 1, Forecast: .1, Loss: &some, Retention: &some, StdErr: &none}, {Bits: 1, Loss: &none, Retention: &some, StdErr: &none}} {
		assert.NoError(t, writeSVG(io.Discard, &curve{Points: []point{p}}))
	}
}

func TestBadCurves(t *testing.T) {
	for name, spoil := range map[string]func(o *driver.Options){
		"ending": func(o *driver.Options) { o.Output = "curve.png" },
		"size":   func(o *driver.Options) { o.Sizes = []string{"0"} },
		"format": func(o *driver.Options) { o.Formats = []string{"old"} },
		"folder": func(o *driver.Options) { o.Output = "missing/curve.svg" },
		"proved": func(o *driver.Options) { o.Proved, o.Errors = 5, "gaussian=0.1" },
	} {
		o := options()
		spoil(&o)
		err := Run(context.Background(), o, io.Discard, io.Discard)
		var d *diag.Diagnostic
		require.ErrorAs(t, err, &d, name)
	}
	_, err := os.Stat("missing")
	assert.ErrorIs(t, err, os.ErrNotExist)
}
