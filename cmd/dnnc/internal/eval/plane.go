package eval

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/pictures"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/robust"
	"github.com/dnnc/dnnc/runtime/certificate"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/measure"
)

// planePoints is the side of a decision plane.
const planePoints = 100

// plane draws the decision boundary of the float network and what it became, and
// after a search also of universal quantization and Deep Compression in as many
// bytes.
func plane(ctx context.Context, o driver.Options, r *driver.Result, stdout, stderr io.Writer) error {
	if len(r.Inputs) > 1 {
		return diag.New(r.Module.Inputs[1].Pos, diag.Unsupported, "a plane of images: this network has %d inputs", len(r.Inputs)).
			WithHelp("-boundary measures how far the decision is from its first input")
	}
	if err := r.Task.Decides("a plane of decisions"); err != nil {
		return err
	}
	setup, source, _, err := driver.Setup(ctx, o, r)
	if err != nil {
		return err
	}
	networks, names, err := r.Networks()
	if err != nil {
		return err
	}
	labels := driver.Labels(setup, names)
	corners, err := corners(ctx, o, r, setup, networks[0])
	if err != nil {
		return err
	}
	if r.Env.Level == pass.Robust && r.Float != nil {
		names[1] = "robust (" + cmp.Or(o.Search, robust.Methods()[0]) + ")"
		if networks, names, err = rivals(ctx, o, r, networks, names, stderr); err != nil {
			return err
		}
	}
	show, end := driver.Progress(stderr, "classifying the plane, row")
	low, high := dnnc.RangeOf(r.Network().Inputs[0])
	p, err := measure.NewPlane(ctx, setup.Task, corners[0], corners[1], corners[2], planePoints, low, high, show, networks...)
	end()
	if err != nil {
		return err
	}
	draw := func() ([]byte, error) { return pictures.PNG(pictures.Plane(p, names)) }
	if strings.HasSuffix(o.Plane, ".svg") {
		draw = func() ([]byte, error) { return pictures.PlaneSVG(p, names), nil }
	}
	content, err := draw()
	if err != nil {
		return err
	}
	if err := driver.Replace(o.Plane, content); err != nil {
		return err
	}
	switch {
	case o.JSON:
		type panel struct {
			Network   string  `json:"network"`
			Agreement float64 `json:"agreement"`
			Answers   []int   `json:"answers"`
		}
		var panels []panel
		for i, name := range names {
			panels = append(panels, panel{name, p.Agreement(i), p.Answers[i]})
		}
		return writeJSON(stdout, map[string]any{"network": r.Module.Name, "task": r.Task.Name, "data": source, "labels": labels, "points": p.N, "panels": panels})
	case o.CSV:
		rows := [][]string{append([]string{"u", "v"}, names...)}
		for i := range p.N * p.N {
			row := []string{number(p.Coordinate(i % p.N)), number(p.Coordinate(i / p.N))}
			for _, a := range p.Answers {
				row = append(row, strconv.Itoa(a[i]))
			}
			rows = append(rows, row)
		}
		return csv.NewWriter(stdout).WriteAll(rows)
	}
	fmt.Fprint(stdout, driver.Caution(source, labels))
	for i, name := range names {
		fmt.Fprintf(stdout, "%-26s agrees with the %s network on %.4f of the plane\n", name, names[0], p.Agreement(i))
	}
	return nil
}

// corners are the first three test images of different classes, or the first one
// and its forms under two errors.
func corners(ctx context.Context, o driver.Options, r *driver.Result, setup measure.Setup, first measure.Network) ([][]float32, error) {
	if o.Directions != "" {
		return directions(o, r, setup)
	}
	labels := setup.Images.Labels
	if labels == nil {
		logits, err := first(ctx, setup.Images.X, setup.Images.N)
		if err != nil {
			return nil, err
		}
		labels = setup.Task.Decisions(logits, setup.Images.N)
	}
	var list [][]float32
	seen := map[int]bool{}
	for i, l := range labels {
		if len(list) < 3 && !seen[l] {
			list, seen[l] = append(list, setup.Images.Image(i)), true
		}
	}
	if len(list) < 3 {
		return nil, diag.New(diag.Pos{}, diag.BadData, "a plane needs three images of different classes, there are %d", len(list)).
			WithHelp("-directions \"fog=0.5;gaussian=0.3\" spans the plane by one image and two errors")
	}
	return list, nil
}

func directions(o driver.Options, r *driver.Result, setup measure.Setup) ([][]float32, error) {
	pair, err := disturb.Parse(o.Directions, dnnc.Inputs(r.Network()))
	if err != nil {
		return nil, err
	}
	if len(pair) != 2 {
		return nil, diag.New(diag.Pos{}, diag.BadValue, "-directions %s: a plane is spanned by two errors, not by %d", o.Directions, len(pair)).
			WithHelp("give each its size: -directions \"fog=0.5;gaussian=0.3\"")
	}
	list := [][]float32{setup.Images.Image(0)}
	for _, c := range pair {
		b, err := disturb.Images(setup.Images.Slice(0, 1), setup.First, c, setup.Seed, setup.Gradient)
		if err != nil {
			return nil, err
		}
		list = append(list, b.X)
	}
	return list, nil
}

// rivals adds what other methods make of the network in as many bytes, as far as
// they can.
func rivals(ctx context.Context, o driver.Options, r *driver.Result, networks []measure.Network, names []string, messages io.Writer) ([]measure.Network, []string, error) {
	c := certificate.New(r.Module, r.Env)
	for _, rival := range []struct {
		name  string
		level pass.Level
	}{{"universal", pass.Universal}, {"Deep Compression", pass.Compress}} {
		other := o
		other.Level, other.Search, other.Time, other.Checkpoint = string(rival.level), "", 0, ""
		other.DumpDir, other.Debug, other.Task, other.Judged = "", "", r.Task.Asked(), true
		other.Budget = pass.Budget{Bytes: c.WeightBytes + robust.Constants(r.Module.Layers())}
		result, err := driver.Compile(ctx, other, messages, messages)
		var d *diag.Diagnostic
		if errors.As(err, &d) && d.Kind == diag.BadBudget {
			o.Warnings.Say(messages, diag.Warn(diag.MissingPanel, "no panel of %s, which has nothing this small: %s", rival.name, d.Message))
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		list, _, err := result.Networks()
		if err != nil {
			return nil, nil, err
		}
		networks, names = append(networks, list[len(list)-1]), append(names, rival.name)
	}
	return networks, names, nil
}
