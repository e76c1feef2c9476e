// Package pareto shows the whole trade-off between a network's size and its
// robustness: the curve of one run of Qed, some of its networks measured.
package pareto

import (
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/certify"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/robust"
)

// Sizes are the bits a weight at which networks are measured unless the user says
// which.
var Sizes = []string{"0.35", "0.5", "0.7", "1", "1.5", "2", "3", "4"}

// point is a network of the curve.
type point struct {
	Bytes     int      `json:"weight_bytes"` // packed, codebooks included
	Size      int      `json:"size"`         // with the channels' constants: what -size bounds
	Bits      float64  `json:"average_bits"`
	Forecast  float64  `json:"forecast_kl"`
	Loss      *float64 `json:"kl,omitempty"` // measured on held-out images, as the rest
	Retention *float64 `json:"retention,omitempty"`
	StdErr    *float64 `json:"retention_stderr,omitempty"`
	Formats   []string `json:"formats"`
	// Proved is of the images to report on, of a network that is measured.
	Proved []certify.Beside `json:"proved,omitempty"`
}

// otherPoint is a point whose loss is no KL divergence.
type otherPoint struct {
	Bytes     int      `json:"weight_bytes"`
	Size      int      `json:"size"`
	Bits      float64  `json:"average_bits"`
	Forecast  float64  `json:"forecast_divergence"`
	Loss      *float64 `json:"divergence,omitempty"`
	Retention *float64 `json:"retention,omitempty"`
	StdErr    *float64 `json:"retention_stderr,omitempty"`
	Formats   []string `json:"formats"`
	// Proved is of the images to report on, of a network that is measured.
	Proved []certify.Beside `json:"proved,omitempty"`
}

// curve is all that is written.
type curve struct {
	Network string   `json:"network"`
	Task    string   `json:"task"`
	Loss    string   `json:"loss"` // what a search makes least, and the key of it in points: kl or divergence
	Layers  []string `json:"layers"`
	Errors  []string `json:"errors"`
	Seed    uint64   `json:"seed"`
	Points  []point  `json:"points"`
}

// klLoss is the loss of one label an item, in nats.
const klLoss = "kl"

// MarshalJSON names the keys of forecast and loss by the task's loss.
func (c *curve) MarshalJSON() ([]byte, error) {
	type plain curve
	if c.Loss == klLoss {
		return json.Marshal((*plain)(c))
	}
	type renamed struct {
		*plain
		Points []otherPoint `json:"points"`
	}
	out := renamed{plain: (*plain)(c), Points: []otherPoint{}}
	for _, p := range c.Points {
		out.Points = append(out.Points, otherPoint(p))
	}
	return json.Marshal(out)
}

// Run computes the curve and prints the measured networks, or with -json and -csv
// every point; -o writes it to a file of the ending .svg, .csv or .json.
func Run(ctx context.Context, o driver.Options, stdout, stderr io.Writer) error {
	o.Only = o.Output
	write, err := writerOf(o)
	if err != nil {
		return err
	}
	if len(o.Sizes) == 0 {
		o.Sizes = Sizes
	}
	sizes, err := driver.Bits("sizes", o.Sizes)
	if err != nil {
		return err
	}
	o.Target = cmp.Or(o.Target, processor.Names()[0])
	o.StopAfter, o.Level = passes.Widened, string(pass.Robust)
	o.Table = !o.JSON && !o.CSV
	r, err := driver.Compile(ctx, o, stdout, stderr)
	if err != nil {
		return err
	}
	if err := driver.HasWidths(r.Module); err != nil {
		return err
	}
	driver.Widened(stderr, r.Env.Widened)
	search, err := robust.New(r.Module, r.Env)
	if err != nil {
		return err
	}
	var sides *certify.Sides
	if o.Proved > 0 {
		if sides, err = certify.NewSides(ctx, o, r); err != nil {
			return err
		}
	}
	points, err := search.Curve(ctx)
	if err != nil {
		return err
	}
	var at []int // of the points to measure
	for _, bits := range sizes {
		limit, _ := robust.Limit(r.Module.Layers(), pass.Budget{Bits: bits})
		i := slices.IndexFunc(points, func(p robust.Point) bool { return p.Bytes > limit })
		if i < 0 {
			i = len(points)
		}
		if i > 0 && !slices.Contains(at, i-1) {
			at = append(at, i-1)
		}
	}
	for _, i := range at {
		if err := search.Measure(ctx, &points[i]); err != nil {
			return err
		}
	}
	c := describe(r, points)
	if sides != nil {
		for _, i := range at {
			m, err := search.Quantized(ctx, points[i].Formats)
			if err != nil {
				return err
			}
			if c.Points[i].Proved, err = sides.Of(ctx, m, stderr); err != nil {
				return err
			}
		}
	}
	if o.Output != "" {
		var b strings.Builder
		if err := write(&b, c); err != nil {
			return err
		}
		if err := driver.Replace(o.Output, []byte(b.String())); err != nil {
			return err
		}
		o.Output = ""
		if write, err = writerOf(o); err != nil {
			return err
		}
	}
	return write(stdout, c)
}

func describe(r *driver.Result, points []robust.Point) *curve {
	m, env := r.Module, r.Env
	c := &curve{Network: m.Name, Task: r.Task.Name, Seed: env.Seed, Errors: []string{}, Loss: strings.ToLower(r.Task.Divergence())}
	weights := 0
	for _, l := range m.Layers() {
		c.Layers = append(c.Layers, l.Name())
		weights += l.Const(ir.AttrWeight).Type.Shape.Size()
	}
	for _, e := range env.Errors {
		c.Errors = append(c.Errors, e.String())
	}
	constants := robust.Constants(m.Layers())
	for _, p := range points {
		q := point{Bytes: p.Bytes, Size: p.Bytes + constants, Bits: 8 * float64(p.Bytes) / float64(weights), Forecast: p.Forecast}
		for _, f := range p.Formats {
			q.Formats = append(q.Formats, f.Elem.String())
		}
		if k := p.Measured; k != nil {
			q.Loss = &k.KL
			q.Retention, q.StdErr = k.Retention.Figures()
		}
		c.Points = append(c.Points, q)
	}
	return c
}

// writerOf is how the curve is written: as the flags or the ending of -o say.
func writerOf(o driver.Options) (func(io.Writer, *curve) error, error) {
	ways := map[string]func(io.Writer, *curve) error{".svg": writeSVG, ".csv": writeCSV, ".json": writeJSON}
	switch {
	case o.Output != "":
		if err := driver.CheckOutput("o", o.Output, ".svg", ".csv", ".json"); err != nil {
			return nil, err
		}
		return ways[filepath.Ext(o.Output)], nil
	case o.JSON:
		return writeJSON, nil
	case o.CSV:
		return writeCSV, nil
	}
	return writeTable, nil
}

// title is a loss as tables and pictures call it.
func title(loss string) string {
	if loss == klLoss {
		return "KL"
	}
	return loss
}

func writeTable(out io.Writer, c *curve) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "bits\tbytes\tforecast %[1]s\t%[1]s\tretention\tstderr\tformats\t\n", title(c.Loss))
	for _, p := range c.Points {
		if p.Loss != nil {
			fmt.Fprintf(w, "%.3f\t%d\t%.4f\t%.4f\t%s\t%s\t%s\t\n", p.Bits, p.Size, p.Forecast, *p.Loss, driver.Figure(p.Retention), driver.Figure(p.StdErr), strings.Join(p.Formats, " "))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	var names []string
	var proved [][]certify.Beside
	for _, p := range c.Points {
		if p.Proved != nil {
			names, proved = append(names, fmt.Sprintf("%.3f", p.Bits)), append(proved, p.Proved)
		}
	}
	if proved != nil {
		certify.PrintBeside(out, "bits", names, proved)
	}
	_, err := fmt.Fprintf(out, "%d networks on the curve; those measured, on held-out images, are listed; -csv, -json or -o curve.svg give them all\n", len(c.Points))
	return err
}

func writeJSON(out io.Writer, c *curve) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(c)
}

func writeCSV(out io.Writer, c *curve) error {
	number := func(x float64) string { return strconv.FormatFloat(x, 'g', 6, 64) }
	maybe := func(x *float64) string {
		if x == nil {
			return ""
		}
		return number(*x)
	}
	head := []string{"weight_bytes", "size", "average_bits", "forecast_" + c.Loss, c.Loss, "retention", "retention_stderr", "formats"}
	var proved []certify.Beside // of any network that has some: all have the same errors
	for _, p := range c.Points {
		if proved == nil {
			proved = p.Proved
		}
	}
	for _, x := range proved {
		head = append(head, fmt.Sprintf("measured %s=%g", x.Error, x.Size), fmt.Sprintf("proved %s=%g", x.Error, x.Size))
	}
	w := csv.NewWriter(out)
	err := w.Write(head)
	for _, p := range c.Points {
		sides := make([]string, 2*len(proved))
		for i, x := range p.Proved {
			sides[2*i], sides[2*i+1] = number(float64(x.Measured)/float64(x.Images)), number(float64(x.Proved)/float64(x.Images))
		}
		err = errors.Join(err, w.Write(append([]string{fmt.Sprint(p.Bytes), fmt.Sprint(p.Size), number(p.Bits), number(p.Forecast), maybe(p.Loss), maybe(p.Retention), maybe(p.StdErr), strings.Join(p.Formats, " ")}, sides...)))
	}
	w.Flush()
	return errors.Join(err, w.Error())
}
