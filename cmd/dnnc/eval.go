package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/certificate"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/pictures"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/target"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/robust"
	"github.com/dnnc/dnnc/runtime/measure"
)

// eval measures a network and what it becomes at a level of -O: accuracy clean
// and under errors, or with -boundary the distances of the decision boundary, or
// with -plane a picture of it. Ctrl-C prints what was measured until then.
func eval(ctx context.Context, o driver.Options, stdout, stderr io.Writer) error {
	// Integers are the same on every target.
	o.Target = cmp.Or(o.Target, target.Names()[0])
	o.StopAfter = cmp.Or(o.StopAfter, passes.Quantized)
	r, err := driver.Compile(ctx, o, stdout, stderr)
	if err != nil {
		return err
	}
	switch {
	case o.Plane != "":
		return plane(ctx, o, r, stdout, stderr)
	case o.Boundary:
		return boundary(ctx, o, r, stdout)
	}
	s, err := driver.Measure(ctx, o, r, stderr)
	if err != nil && (s == nil || !errors.Is(err, context.Canceled)) {
		return err
	}
	c := certificate.New(r.Module, r.Env)
	c.Measure(s.Data, s.Float, s.Quantized)
	switch {
	case o.JSON:
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		return errors.Join(err, e.Encode(map[string]any{
			"network": c.Network, "measured": c.Measured, "errors": c.Errors, "seed": c.Seed,
			"float": c.Float, "quantized": c.Quantized, "retention": c.Retention, "retention_stderr": c.RetentionSE,
		}))
	case o.CSV:
		return errors.Join(err, writeCSV(stdout, c))
	}
	driver.Accuracy(stdout, c)
	return err
}

// writeCSV is a line a condition and network.
func writeCSV(out io.Writer, c *certificate.Certificate) error {
	w := csv.NewWriter(out)
	rows := [][]string{{"network", "kind", "size", "accuracy"}}
	number := func(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
	for i, s := range []*certificate.Score{c.Float, c.Quantized} {
		if s == nil {
			continue
		}
		name := []string{"float", "quantized"}[i]
		rows = append(rows, []string{name, measure.Clean, "0", number(s.Clean)})
		for _, k := range s.Robust {
			for j, t := range k.Sizes {
				rows = append(rows, []string{name, k.Kind, number(t), number(k.Accuracy[j])})
			}
		}
	}
	return w.WriteAll(rows)
}

// boundary prints, for each kind of error, how far from its images the answers
// become wrong.
func boundary(ctx context.Context, o driver.Options, r *driver.Result, out io.Writer) error {
	setup, source, _, err := driver.Setup(o, r)
	if err != nil {
		return err
	}
	networks, names, err := r.Networks()
	if err != nil {
		return err
	}
	if source == "" {
		fmt.Fprintln(out, "NO DATA: images of noise from the declared range; the float network's answers are the labels")
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "distance\tnetwork\t10 %\t25 %\tmedian\t75 %\tmean loss\tstandard error\t")
	for i, c := range setup.Conditions {
		if i > 0 && setup.Conditions[i-1].Kind == c.Kind {
			continue
		}
		var ref []float64
		for j, net := range networks {
			d, err := measure.Boundary(ctx, setup, c.Kind, net)
			if err != nil {
				w.Flush()
				return err
			}
			if j == 0 {
				ref = d
			}
			q, loss := measure.Quantiles(d, .1, .25, .5, .75), measure.BoundaryLoss(ref, d)
			fmt.Fprintf(w, "%s\t%s\t%.3f\t%.3f\t%.3f\t%.3f\t%.4f\t%.4f\t\n", c.Kind.Name, names[j], q[0], q[1], q[2], q[3], loss.Value, loss.StdErr)
		}
	}
	fmt.Fprintf(w, "%d images\n", setup.Images.N)
	return w.Flush()
}

// planePoints is the side of a decision plane.
const planePoints = 100

// plane draws the plane through the first three test images of different
// classes, for the float network, what it became, and behind a search universal
// quantization of as many bytes.
func plane(ctx context.Context, o driver.Options, r *driver.Result, out, messages io.Writer) error {
	setup, _, _, err := driver.Setup(o, r)
	if err != nil {
		return err
	}
	corners := [][]float32{}
	seen := map[int]bool{}
	for i := range setup.Images.N {
		if len(corners) < 3 && (setup.Images.Labels == nil || !seen[setup.Images.Labels[i]]) {
			corners = append(corners, setup.Images.Image(i))
			if setup.Images.Labels != nil {
				seen[setup.Images.Labels[i]] = true
			}
		}
	}
	if len(corners) < 3 {
		return diag.New(diag.Pos{}, diag.BadData, "a plane needs three images of different classes")
	}
	networks, names, err := r.Networks()
	if err != nil {
		return err
	}
	if r.Env.Level == pass.Robust {
		c := certificate.New(r.Module, r.Env)
		u := o
		u.Level = string(pass.Universal)
		u.Budget = pass.Budget{Bytes: c.WeightBytes + robust.Constants(r.Module.Layers())}
		other, err := driver.Compile(ctx, u, out, messages)
		if err != nil {
			return err
		}
		list, _, err := other.Networks()
		if err != nil {
			return err
		}
		networks, names = append(networks, list[len(list)-1]), append(names, "universal, as many bytes")
		names[1] = "robust (Qed)"
	}
	p, err := measure.NewPlane(ctx, corners[0], corners[1], corners[2], planePoints, setup.Low, setup.High, networks...)
	if err != nil {
		return err
	}
	for i, name := range names {
		fmt.Fprintf(out, "%-26s agrees with the float network on %.4f of the plane\n", name, p.Agreement(i))
	}
	content, err := pictures.PNG(pictures.Plane(p, names))
	if err != nil {
		return err
	}
	return driver.Replace(o.Plane, content)
}
