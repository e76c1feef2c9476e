package eval

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/certify"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/measure"
)

// distances is how far from its images one network's answers become wrong under
// one kind of error.
type distances struct {
	Kind      string    `json:"kind"`
	Network   string    `json:"network"`
	Exact     bool      `json:"exact"`     // every size is decided; else searched to 1/128
	Quantiles []float64 `json:"quantiles"` // below which 10, 25, 50, 75 and 90 % of the images lie
	Never     float64   `json:"never"`     // share of the images that no size makes wrong
	Loss      *float64  `json:"mean_loss"` // relative to the float network; nil without one, and where that answers nothing rightly
	LossSE    *float64  `json:"mean_loss_stderr"`
	Distances []float64 `json:"distances"` // by image
}

// shares are those of the quantiles.
var shares = []float64{.1, .25, .5, .75, .9}

// how says how the distances were found.
func (d *distances) how() string {
	if d.Exact {
		return "exact"
	}
	return "to 1/128"
}

func newDistances(kind, network string, isExact bool, ref, d []float64) distances {
	out := distances{Kind: kind, Network: network, Exact: isExact, Quantiles: measure.Quantiles(d, shares...), Distances: d}
	for _, x := range d {
		if x == measure.Never {
			out.Never += 1 / float64(len(d))
		}
	}
	if ref != nil {
		out.Loss, out.LossSE = measure.BoundaryLoss(ref, d).Figures()
	}
	return out
}

// boundary measures, for each kind of error, how far from its images the answers
// become wrong.
func boundary(ctx context.Context, o driver.Options, r *driver.Result, stdout, stderr io.Writer) error {
	if len(r.Env.Errors) == 0 {
		return diag.New(diag.Pos{}, diag.BadValue, "-boundary under no errors").WithHelp("-errors \"gaussian;fog\"; their sizes do not matter")
	}
	if err := r.Task.Decides("a boundary distance"); err != nil {
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
	list, err := allDistances(ctx, o, r, setup, networks, names, stderr)
	interrupted := errors.Is(err, context.Canceled)
	if err != nil && (!interrupted || len(list) == 0) {
		return err
	}
	switch {
	case o.JSON:
		return errors.Join(err, writeJSON(stdout, map[string]any{
			"network": r.Module.Name, "task": r.Task.Name, "data": source, "labels": labels, "images": setup.Images.N, "seed": setup.Seed, "interrupted": interrupted, "boundary": list,
		}))
	case o.CSV:
		rows := [][]string{{"kind", "network", "image", "distance", "how"}}
		for _, d := range list {
			for i, x := range d.Distances {
				rows = append(rows, []string{d.Kind, d.Network, strconv.Itoa(i), number(x), d.how()})
			}
		}
		return errors.Join(err, csv.NewWriter(stdout).WriteAll(rows))
	}
	fmt.Fprint(stdout, driver.Caution(source, labels))
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "distance\tnetwork\tfound\t10 %\t25 %\tmedian\t75 %\t90 %\tnever wrong\tmean loss\tstandard error\t")
	for _, d := range list {
		q := d.Quantiles
		fmt.Fprintf(w, "%s\t%s\t%s\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%.4f\t%s\t%s\t\n", d.Kind, d.Network, d.how(), q[0], q[1], q[2], q[3], q[4], d.Never, driver.Figure(d.Loss), driver.Figure(d.LossSE))
	}
	w.Flush()
	fmt.Fprintf(stdout, "%d images; 0 is wrong without any error, 1 is never wrong; exact: every size is decided, to 1/128: searched, and between two sizes the answer may be wrong\n", setup.Images.N)
	return err
}

// allDistances goes through the kinds of -errors. When ctx ends it returns what
// it has, and the error.
func allDistances(ctx context.Context, o driver.Options, r *driver.Result, setup measure.Setup, networks []measure.Network, names []string, messages io.Writer) ([]distances, error) {
	var list []distances
	for i, c := range setup.Conditions {
		if i > 0 && setup.Conditions[i-1].SameKind(c) {
			continue
		}
		searched, exact := networks, []float64(nil)
		if o.ExactBoundary {
			right, err := setup.Right(ctx, networks[0])
			if err != nil {
				return list, err
			}
			show, end := driver.Progress(messages, "boundary under "+c.Name()+", image")
			setup.Progress = show
			exact, err = certify.Distances(ctx, r, setup, right, c)
			end()
			if err != nil {
				return list, err
			}
			if exact != nil { // of the integers, which are the last network
				searched = networks[:len(networks)-1]
			}
		}
		show, end := driver.Progress(messages, "boundary under "+c.Name()+", round")
		setup.Progress = show
		var got [][]float64
		var err error
		if len(searched) > 0 {
			got, err = measure.Boundary(ctx, setup, c, searched...)
		}
		end()
		if exact != nil && err == nil {
			got = append(got, exact)
		}
		for j, d := range got {
			var ref []float64
			if r.Float != nil {
				ref = got[0]
			}
			list = append(list, newDistances(c.Name(), names[j], exact != nil && j == len(networks)-1, ref, d))
		}
		if err != nil {
			return list, err
		}
	}
	return list, nil
}
