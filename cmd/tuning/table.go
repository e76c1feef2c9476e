package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/dnnc/dnnc/runtime/measure"
)

// The marker lines around the table.
const (
	begin = "<!-- tuning: written by make tuning -->"
	end   = "<!-- end of tuning -->"
)

// family is the chance that any network of all is called worse though none is.
const family = .05

// table has a row for each network, size and effort, the means over the seeds that are measured.
func table(list []subject, known []cell) string {
	var b strings.Builder
	b.WriteString("| network | bits | effort | seeds | before | after | gain | divergence | tuned |\n|" + strings.Repeat(" --- |", 9) + "\n")
	for _, s := range list {
		for _, bits := range slices.Sorted(slices.Values(s.sizes)) {
			efforts, of := []string{s.effort}, map[string][]cell{}
			for _, c := range known {
				if c.network == s.name && c.bits == bits {
					if !slices.Contains(efforts, c.effort) {
						efforts = append(efforts, c.effort)
					}
					of[c.effort] = append(of[c.effort], c)
				}
			}
			for _, e := range efforts {
				fmt.Fprintf(&b, "| %s | %v | %s | %s |\n", s.name, bits, e, row(of[e]))
			}
		}
	}
	return b.String() + "\n" + verdict(known) + dates(known)
}

// dates are the days between which cells were measured.
func dates(known []cell) string {
	var days []string
	for _, c := range known {
		days = append(days, c.date)
	}
	switch slices.Sort(days); {
	case len(days) == 0:
		return ""
	case days[0] == days[len(days)-1]:
		return fmt.Sprintf("Measured on %s.\n", days[0])
	}
	return fmt.Sprintf("Measured from %s to %s.\n", days[0], days[len(days)-1])
}

// row is the figures of a network at a size.
func row(of []cell) string {
	if len(of) == 0 {
		return "- | - | - | - | - | -"
	}
	var seeds []string
	tuned := 0
	kl := 0.
	for _, c := range of {
		seeds = append(seeds, fmt.Sprint(c.seed))
		kl += c.klAfter / c.klBefore / float64(len(of))
		if c.declined == "" {
			tuned++
		}
	}
	g := over(of, func(c cell) measure.Estimate { return c.gain })
	return fmt.Sprintf("%s | %v | %v | %+.4f ± %.4f | x %.2f | %d of %d", strings.Join(seeds, " "),
		plusMinus(over(of, func(c cell) measure.Estimate { return c.before })), plusMinus(over(of, func(c cell) measure.Estimate { return c.after })), g.Value, g.StdErr, kl, tuned, len(of))
}

// over is the mean of a figure over seeds, which share their images: its error is not smaller
// than theirs, nor than what their spread gives.
func over(of []cell, figure func(cell) measure.Estimate) measure.Estimate {
	var values, errors []float64
	for _, c := range of {
		e := figure(c)
		values, errors = append(values, e.Value), append(errors, e.StdErr)
	}
	out := measure.Estimate{Value: stat.Mean(values, nil), StdErr: stat.Mean(errors, nil)}
	if len(values) > 1 {
		out.StdErr = max(out.StdErr, stat.StdErr(stat.StdDev(values, nil), float64(len(values))))
	}
	return out
}

// verdict counts networks whose divergence fell on the test images, those that tuning left as they
// were, and those that surely keep less: one-sided, in pairs, by Holm.
func verdict(known []cell) string {
	fell, rose, declined := 0, 0, 0
	var chances []float64
	for _, c := range known {
		switch {
		case c.declined != "":
			declined++
		case c.klFall.Value > 0:
			fell++
		default:
			rose++
		}
		chance := 1.
		if c.declined == "" && c.gain.StdErr > 0 {
			chance = distuv.UnitNormal.CDF(c.gain.Value / c.gain.StdErr)
		}
		chances = append(chances, chance)
	}
	return fmt.Sprintf("Of %d networks the divergence on the test images fell in %d and rose in %d; %d were left as they were; %d surely keep less (one-sided, in pairs, Holm over all at %v).\n", len(known), fell, rose, declined, holm(chances), family)
}

// holm counts what is rejected at the level family over all.
func holm(chances []float64) (n int) {
	slices.Sort(chances)
	for i, p := range chances {
		if math.IsNaN(p) || p > family/float64(len(chances)-i) {
			break
		}
		n++
	}
	return n
}
