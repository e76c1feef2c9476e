package pictures

import (
	"bytes"
	"fmt"
	"html"
	"image"
	"image/color"
	"image/draw"
	"maps"
	"slices"
	"strconv"

	"github.com/dnnc/dnnc/runtime/measure"
)

// palette is told apart by the colour-blind, too: Paul Tol's muted scheme; more
// classes than colours take them again, darker.
var palette = []color.NRGBA{
	{0x88, 0xcc, 0xee, 255}, {0xcc, 0x66, 0x77, 255}, {0xdd, 0xcc, 0x77, 255}, {0x11, 0x77, 0x33, 255}, {0x33, 0x22, 0x88, 255},
	{0xaa, 0x44, 0x99, 255}, {0x44, 0xaa, 0x99, 255}, {0x99, 0x99, 0x33, 255}, {0x88, 0x22, 0x55, 255}, {0xdd, 0xdd, 0xdd, 255},
}

func colourOf(class int) color.NRGBA {
	c := palette[class%len(palette)]
	for range class / len(palette) {
		c.R, c.G, c.B = c.R/2, c.G/2, c.B/2
	}
	return c
}

// key is an entry of the legend: a class that is the answer somewhere, and where its
// sample lies.
type key struct {
	class int
	at    image.Point
}

// The measures of a legend, in pixels.
const (
	sample   = 10 // the side of a class's sample
	keyWidth = 52
)

// legend are the classes of a plane in rows of a width, from a height on, and the
// height that they take.
func legend(p *measure.Plane, width, top int) (keys []key, height int) {
	seen := map[int]bool{}
	for _, answers := range p.Answers {
		for _, class := range answers {
			seen[class] = true
		}
	}
	columns := max(1, (width-2*gap)/keyWidth)
	for i, class := range slices.Sorted(maps.Keys(seen)) {
		keys = append(keys, key{class, image.Pt(gap+i%columns*keyWidth, top+i/columns*line)})
	}
	return keys, (len(keys)+columns-1)/columns*line + gap
}

// Plane draws a decision plane, a panel a network, one colour a class, with the
// three images marked, the share on which each agrees with the first, and the classes'
// colours below.
func Plane(p *measure.Plane, names []string) image.Image {
	factor := max(1, 300/p.N)
	side := p.N * factor
	width, top := gap+len(names)*(side+gap), side+2*line+2*gap
	keys, height := legend(p, width, top)
	img := image.NewNRGBA(image.Rect(0, 0, width, top+height))
	draw.Draw(img, img.Bounds(), image.White, image.Point{}, draw.Src)
	for _, k := range keys {
		draw.Draw(img, image.Rect(0, 0, sample, sample).Add(k.at), image.NewUniform(colourOf(k.class)), image.Point{}, draw.Src)
		text(img, k.at.X+sample+4, k.at.Y+sample, strconv.Itoa(k.class))
	}
	for i, name := range names {
		x0, y0 := gap+i*(side+gap), 2*line+gap
		text(img, x0, line, name)
		text(img, x0, 2*line, fmt.Sprintf("agrees on %.1f %%", 100*p.Agreement(i)))
		for y := range side {
			for x := range side {
				img.SetNRGBA(x0+x, y0+y, colourOf(p.Answers[i][y/factor*p.N+x/factor]))
			}
		}
		for _, at := range corners {
			mark := image.Pt(x0+p.Position(at[0])*factor+factor/2, y0+p.Position(at[1])*factor+factor/2)
			for d := -4; d <= 4; d++ {
				img.Set(mark.X+d, mark.Y, color.Black)
				img.Set(mark.X, mark.Y+d, color.Black)
			}
		}
	}
	return img
}

// PlaneSVG is the drawing of Plane as SVG.
func PlaneSVG(p *measure.Plane, names []string) []byte {
	var b bytes.Buffer
	width, top := gap+len(names)*(panelSide+gap), panelSide+2*line+2*gap
	keys, height := legend(p, width, top)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="13">`+"\n", width, top+height)
	for _, k := range keys {
		c := colourOf(k.class)
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d" fill="#%02x%02x%02x"/><text x="%d" y="%d">%d</text>`+"\n",
			k.at.X, k.at.Y, sample, sample, c.R, c.G, c.B, k.at.X+sample+4, k.at.Y+sample, k.class)
	}
	for i, name := range names {
		x0, y0 := gap+i*(panelSide+gap), 2*line+gap
		fmt.Fprintf(&b, `<text x="%d" y="%d">%s</text><text x="%d" y="%d">agrees on %.1f %%</text>`+"\n", x0, line, html.EscapeString(name), x0, 2*line, 100*p.Agreement(i))
		panel(&b, p, i, x0, y0)
	}
	fmt.Fprintln(&b, "</svg>")
	return b.Bytes()
}

// PanelSVG is one network's panel alone, for a page that says whose it is.
func PanelSVG(p *measure.Plane, i int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg viewBox="0 0 %d %d" role="img">`+"\n", panelSide, panelSide)
	panel(&b, p, i, 0, 0)
	fmt.Fprintln(&b, "</svg>")
	return b.Bytes()
}

// panelSide is the side of a panel in SVG.
const panelSide = 300

// panel draws the answers of network i with the corner at x0, y0: a run of points of
// one class in a row is one rectangle.
func panel(b *bytes.Buffer, p *measure.Plane, i, x0, y0 int) {
	step := float64(panelSide) / float64(p.N)
	fmt.Fprintf(b, `<g transform="translate(%d %d) scale(%g)" shape-rendering="crispEdges">`+"\n", x0, y0, step)
	for row := range p.N {
		answers := p.Answers[i][row*p.N : (row+1)*p.N]
		for from := 0; from < p.N; {
			to := from + 1
			for to < p.N && answers[to] == answers[from] {
				to++
			}
			c := colourOf(answers[from])
			fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="1" fill="#%02x%02x%02x"/>`, from, row, to-from, c.R, c.G, c.B)
			from = to
		}
		fmt.Fprintln(b)
	}
	fmt.Fprintln(b, "</g>")
	for _, at := range corners {
		x, y := float64(x0)+(float64(p.Position(at[0]))+.5)*step, float64(y0)+(float64(p.Position(at[1]))+.5)*step
		fmt.Fprintf(b, `<path d="M%g %gh9M%g %gv9" stroke="black" fill="none"/>`+"\n", x-4.5, y, x, y-4.5)
	}
}

// corners are where the three images lie.
var corners = [][2]float64{{0, 0}, {1, 0}, {0, 1}}
