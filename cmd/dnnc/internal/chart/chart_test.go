package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot"
)

// wellFormed counts the elements of a drawing, which refers to nothing.
func wellFormed(t *testing.T, svg string) (elements int) {
	require.True(t, strings.HasPrefix(svg, "<svg viewBox="), svg[:min(80, len(svg))])
	for _, outside := range []string{"http", "xlink", "font-family", "NaN", "Inf"} {
		assert.NotContains(t, svg, outside)
	}
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return elements
		}
		require.NoError(t, err)
		if _, ok := token.(xml.StartElement); ok {
			elements++
		}
	}
}

func TestLines(t *testing.T) {
	c := Lines{Title: "A & B", X: "bytes", Y: "share", Ticks: Decades{}, Series: []Series{
		{Style: 0, Points: []Point{{1000, .5, .4, .6}, {3000, .7, .6, .8}}},
		{Style: 8, Points: []Point{{1000, .2, .2, .2}, {0, 1, 1, 1}, {2000, math.NaN(), 0, 0}}}, // of a scale of logarithms, and of nothing
		{Name: "empty"},
	}}
	svg, err := c.SVG()
	require.NoError(t, err)
	assert.Greater(t, wellFormed(t, svg), 20)
	assert.Contains(t, svg, "A &amp; B")
	again, err := c.SVG()
	require.NoError(t, err)
	assert.Equal(t, svg, again)

	flat, err := (&Lines{Series: []Series{{Points: []Point{{X: 1, Y: 2, Low: 2, High: 2}}}}}).SVG()
	require.NoError(t, err)
	wellFormed(t, flat)
	none, err := (&Lines{Ticks: Decades{}}).SVG()
	require.NoError(t, err)
	wellFormed(t, none)
	key, err := Key(3)
	require.NoError(t, err)
	assert.Greater(t, wellFormed(t, key), 2)
}

func TestHeat(t *testing.T) {
	h := Heat{Title: "h", X: "bits", Rows: []string{"conv1", "fc1"}, Cols: []string{"1", "2"}, Most: 2,
		Values: [][]float64{{1, 2}, {math.NaN(), .5}}, Labels: [][]string{{"one", "two"}, {"", "half"}}}
	svg, err := h.SVG()
	require.NoError(t, err)
	wellFormed(t, svg)
	for _, word := range []string{"conv1", "fc1", "one", "half"} {
		assert.Contains(t, svg, ">"+word+"<")
	}
	// The first row stands highest: y grows downwards after the flip of the canvas.
	assert.Less(t, strings.Index(svg, ">one<"), strings.Index(svg, ">half<"))
}

func TestTicks(t *testing.T) {
	label := func(list []string, low, high float64, d plot.Ticker) {
		var got []string
		for _, k := range d.Ticks(low, high) {
			assert.GreaterOrEqual(t, k.Value, low-1e-9*math.Abs(high))
			assert.LessOrEqual(t, k.Value, high+1e-9*math.Abs(high))
			got = append(got, k.Label)
		}
		assert.Equal(t, list, got)
	}
	label([]string{"0.98", "0.99", "1.00", "1.01"}, .978, 1.013, Even{})
	label([]string{"0.0", "0.2", "0.4", "0.6", "0.8", "1.0"}, 0, 1, Even{})
	label([]string{"-10", "0", "10", "20"}, -12, 22, Even{})
	label([]string{"60k", "80k", "100k"}, 55e3, 125e3, Decades{})
	label([]string{"120k", "130k", "140k", "150k", "160k"}, 118e3, 161e3, Decades{})
	label([]string{"1M", "10M", "100M", "1G"}, 8e5, 1.5e9, Decades{})
	label([]string{"0.5", "1", "2"}, .3, 3, Halves{})
}
