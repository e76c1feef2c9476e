package pictures

import (
	"encoding/xml"
	"image/color"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/measure"
)

// TestPlaneHasALegend: every class that is an answer has its colour, once, and no other
// has one; more than a row holds go on below.
func TestPlaneHasALegend(t *testing.T) {
	p := &measure.Plane{N: 4, Answers: [][]int{{7, 7, 7, 7, 7, 7, 7, 7, 0, 0, 0, 0, 0, 0, 0, 0}, {12, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7}}}
	width, top := gap+2*(panelSide+gap), 400
	keys, height := legend(p, width, top)
	var classes []int
	for _, k := range keys {
		classes = append(classes, k.class)
	}
	assert.Equal(t, []int{0, 7, 12}, classes)
	assert.Equal(t, line+gap, height)
	img := Plane(p, []string{"a", "b"})
	for _, k := range keys {
		x, y := k.at.X+sample/2, k.at.Y+sample/2
		y += img.Bounds().Dy() - height - top
		assert.Equal(t, color.Color(colourOf(k.class)), img.At(x, y), k.class)
	}
	var svg struct {
		Text []string `xml:"text"`
	}
	require.NoError(t, xml.Unmarshal(PlaneSVG(p, []string{"a", "b"}), &svg))
	assert.Subset(t, svg.Text, []string{"0", "7", "12"})
	many := &measure.Plane{N: 4, Answers: [][]int{{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}}}
	keys, height = legend(many, gap+panelSide+gap, 0)
	assert.Greater(t, height, 2*line)
	assert.Len(t, keys, 16)
	for _, k := range keys {
		assert.Less(t, k.at.X+keyWidth, gap+panelSide+gap)
		assert.Less(t, k.at.Y, height)
	}
}

// TestLabelsAreNotLost: labels go into a file of their own, so that the images' name
// must tell its.
func TestLabelsAreNotLost(t *testing.T) {
	b := data.Batch{N: 2, Shape: []int{1, 2, 2}, X: make([]float32, 8), Labels: []int{1, 0}}
	files, err := encode("x/t-images-idx3-ubyte.gz", b)
	require.NoError(t, err)
	require.Len(t, files, 2)
	assert.Equal(t, "x/t-labels-idx1-ubyte.gz", files[0].Path)
	_, err = encode("x/foggy.idx", b)
	assert.ErrorContains(t, err, "no file to go to")
	b.Labels = nil
	files, err = encode("x/foggy.idx", b)
	require.NoError(t, err)
	assert.Len(t, files, 1)
}
