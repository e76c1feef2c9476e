package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/families"
	"github.com/dnnc/dnnc/passes/pass"
)

// Of plans far above the cheapest estimate only the nearest of each product is counted.
const (
	farAbove  = 1.5
	nearPlans = 6 // of a family and product that are counted at most
)

// nearBest is how far above the least count the chosen plan's may be, as a share.
const nearBest = .03

// forced is a plan of a layer, and its count.
type forced struct {
	family          *kernel.Family
	plan            kernel.Plan
	chosen          bool
	estimate, count float64
}

func (f forced) name() string {
	a := f.plan.Attrs()
	return fmt.Sprintf("%s %s %v", f.family.Name, cmp.Or(a.Product, "-"), a.Tile)
}

// choice is a layer in a format on a target, and its plans, the least count first.
type choice struct {
	target string
	job    job
	plans  []forced
}

// excess is the chosen plan's count divided by the least one.
func (c choice) excess() float64 {
	i := slices.IndexFunc(c.plans, func(f forced) bool { return f.chosen })
	return c.plans[i].count / c.plans[0].count
}

// choices counts layers by every plan that serves them, and prints each plan, then for each target how many chosen
// plans are near the best one. only selects targets, layers and formats.
func choices(ctx context.Context, w io.Writer, only string, jobs []job) error {
	var list []choice
	for _, target := range fitTargets {
		for _, j := range jobs {
			if !wanted(only, target, j.layer, j.format) {
				continue
			}
			c, err := force(ctx, target, j)
			if err != nil {
				return fmt.Errorf("%s in %s on %s: %w", j.layer, j.format, target, err)
			}
			fmt.Fprintf(w, "%s %s %s: %.3f of the best\n", target, j.layer, j.format, c.excess())
			for _, f := range c.plans {
				mark := " "
				if f.chosen {
					mark = "*"
				}
				fmt.Fprintf(w, "  %s %s: estimate %.0f, counted %.0f, ratio %.2f\n", mark, f.name(), f.estimate, f.count, f.estimate/f.count)
			}
			list = append(list, c)
		}
	}
	if len(list) == 0 {
		return errors.New("-only names no target, layer or format that -choices measures")
	}
	return chosenNear(w, list)
}

// chosenNear prints how many chosen plans are near the best on each target.
func chosenNear(w io.Writer, list []choice) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "target\tlayers\twithin %.0f %% of the best\tworst\t\n", 100*nearBest)
	for _, target := range fitTargets {
		all, near, worst := 0, 0, 0.
		for _, c := range list {
			if c.target != target {
				continue
			}
			all++
			if c.excess() <= 1+nearBest {
				near++
			}
			worst = max(worst, c.excess())
		}
		if all > 0 {
			fmt.Fprintf(t, "%s\t%d\t%d\t%.2f\t\n", target, all, near, worst)
		}
	}
	return t.Flush()
}

// force counts a layer by its plans.
func force(ctx context.Context, target string, j job) (c choice, err error) {
	m, err := dnnc.Load(j.path, dnnc.LoadOptions{})
	if err != nil {
		return c, err
	}
	config, err := config(m, target)
	if err != nil {
		return c, err
	}
	if j.format != "i8" {
		e, ok := ir.ParseElem(j.format)
		if !ok {
			return c, fmt.Errorf("no format %q", j.format)
		}
		config.Level, config.Fix = pass.Universal, map[string]ir.Elem{"layer": e}
		config.Budget.Bits = 8
	}
	config.Rounding, config.StopAfter = "nearest", "select"
	r, err := dnnc.Compile(ctx, m, config)
	if err != nil {
		return c, err
	}
	config.StopAfter, config.Level, config.Fix, config.Budget.Bits = "", pass.Int8, nil, 0
	c = choice{target: target, job: j}
	at := slices.IndexFunc(r.Module.Ops, func(n *ir.Node) bool { return n.Op.HasWeights() })
	own, err := families.Restore(r.Module.Ops[at], config.Target)
	if err != nil {
		return c, err
	}
	for _, f := range withChosen(plansOf(kernel.Of(r.Module.Ops[at], config.Target)), families.Find(r.Module.Ops[at].Word(ir.AttrImpl)), own) {
		whole := r.Module.Clone()
		n := whole.Ops[at]
		f.family.Assign(n, f.plan)
		f.chosen = f.plan == own
		built, err := dnnc.Compile(ctx, whole, config)
		if err != nil {
			return c, err
		}
		object, err := built.Object(ctx)
		if err != nil {
			return c, err
		}
		if f.count, err = executed(ctx, built, object); err != nil {
			return c, fmt.Errorf("%s: %w", f.name(), err)
		}
		c.plans = append(c.plans, f)
	}
	slices.SortStableFunc(c.plans, func(a, b forced) int { return cmp.Compare(a.count, b.count) })
	return c, nil
}

// withChosen is a list of plans with the chosen one, which a bound on memory may have chosen.
func withChosen(list []forced, f *kernel.Family, own kernel.Plan) []forced {
	if slices.ContainsFunc(list, func(f forced) bool { return f.plan == own }) {
		return list
	}
	return append(list, forced{family: f, plan: own, estimate: own.Cycles()})
}

// plansOf lists the plans of a layer that are counted: those of each family and product with the least estimates.
func plansOf(l kernel.Layer) (list []forced) {
	for _, f := range families.Table {
		p, ok := f.Serves(l)
		if !ok || f.General {
			continue
		}
		all := []kernel.Plan{p}
		if f.All != nil {
			all = f.All(l)
		}
		for _, p := range all {
			list = append(list, forced{family: f, plan: p, estimate: p.Cycles()})
		}
	}
	slices.SortStableFunc(list, func(a, b forced) int { return cmp.Compare(a.estimate, b.estimate) })
	counted := map[string]int{}
	return slices.DeleteFunc(list, func(f forced) bool {
		key := f.family.Name + f.plan.Attrs().Product
		counted[key]++
		return counted[key] > 1 && (f.estimate > farAbove*list[0].estimate || counted[key] > nearPlans)
	})
}
